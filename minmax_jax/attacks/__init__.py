"""Attacks: ``attack(model, images, labels, eps, ...)`` returns adversarial images in [0, 1].

One attack a file, over what they share: ``inputs``, ``ball``, ``losses``, ``selection``, ``compaction``. They
use the core alone, such as ``evaluation``. Shapes and settings are always checked; values (labels, pixels,
logits) where they are known: outside jit.
"""

from minmax_jax.attacks.apgd import apgd as apgd
from minmax_jax.attacks.apgd import apgd_targeted as apgd_targeted
from minmax_jax.attacks.autoattack import autoattack as autoattack
from minmax_jax.attacks.carlini_wagner import carlini_wagner as carlini_wagner
from minmax_jax.attacks.deepfool import deepfool as deepfool
from minmax_jax.attacks.fab import fab as fab
from minmax_jax.attacks.fab import fab_targeted as fab_targeted
from minmax_jax.attacks.fgsm import fgsm as fgsm
from minmax_jax.attacks.momentum import momentum as momentum
from minmax_jax.attacks.noise import noise as noise
from minmax_jax.attacks.pgd import pgd as pgd
from minmax_jax.attacks.registry import NAMED as NAMED
from minmax_jax.attacks.registry import NamedAttack as NamedAttack
from minmax_jax.attacks.square import square as square

__all__ = [
    "NAMED",
    "NamedAttack",
    "apgd",
    "apgd_targeted",
    "autoattack",
    "carlini_wagner",
    "deepfool",
    "fab",
    "fab_targeted",
    "fgsm",
    "momentum",
    "noise",
    "pgd",
    "square",
]
