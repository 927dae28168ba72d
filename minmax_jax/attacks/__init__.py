"""Attacks: ``attack(model, images, labels, eps, ...)`` gives adversarial images in [0, 1]."""

from minmax_jax.attacks.fgsm import fgsm as fgsm
from minmax_jax.attacks.pgd import pgd as pgd

__all__ = ["fgsm", "pgd"]
