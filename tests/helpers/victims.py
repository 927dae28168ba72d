"""Trained LeNets to attack, kept beside this file, and digits to attack them on.

"standard": three epochs of ``mm.fit`` on MNIST, all its defaults, seed 0.

"robust": six epochs of adversarial training (Madry et al. 2018) from ``LeNet(rngs=nnx.Rngs(0))``, batches of
128. Each batch is replaced by the last point of PGD on the cross-entropy by "linf", from an even start in the
ball, with steps of ``2.5 eps / steps``. eps grows slowly: at once at 0.3, so small a network learns nothing.
First two epochs with eps from 0 to 0.1, and 10 steps; Adam's rate grows to 2e-3 over a quarter of an epoch,
then falls as a cosine would over ten epochs. Then, Adam anew, four epochs with eps from 0.1 to 0.3 over two
and a half of them, and 7 steps; the rate falls from 2e-3 to 0 by a cosine. Under PGD of 40 steps 95.8 %,
91.5 % and 82.3 % of the first 1,000 test images stand at eps 0.1, 0.2 and 0.3.
"""

from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import minmax_jax as mm

FOLDER = Path(__file__).parent / "victims"
NAMES = ("standard", "robust")


@cache
def victim(name: str) -> mm.LeNet:
    """A trained LeNet, in evaluation mode."""
    return mm.open(FOLDER / f"{name}.npz")


@cache
def twin(name: str) -> Any:
    """The same network in PyTorch, in evaluation mode, for images as NCHW. Its weights take no gradient."""
    import torch

    from minmax_jax.benchmark.torch_models import twin_of

    with torch.inference_mode(False):  # kept for all callers, and weights made in that mode serve no gradient
        return twin_of(victim(name)).eval().requires_grad_(False)


@cache
def photos(n: int = 500) -> tuple[jax.Array, jax.Array]:
    """The first ``n`` test images of MNIST, NHWC, and their labels."""
    data = mm.load("mnist").test[:n]
    return jnp.asarray(data.images), jnp.asarray(data.labels)
