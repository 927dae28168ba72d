"""AutoAttack is as strong as torchattacks', on the same weights and test images.

Torchattacks' own AutoAttack takes ten steps where the published one takes a hundred; the full reference is
made of its four parts with the published settings. Cases that take minutes run where MINMAX_JAX_LONG_TESTS is
set.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.peers import ATTACKS_NEEDED, long
from helpers.victims import photos, twin, victim
from minmax_jax.attacks.autoattack import autoattack

pytestmark = ATTACKS_NEEDED

ROOM = 0.01  # how much more robust than under the peer's attack the model may seem


def published(net, norm, eps):
    """Torchattacks' parts as published, as the benchmark times them."""
    from minmax_jax.benchmark.torch_attacks import torchattacks_autoattack

    return torchattacks_autoattack(net, norm, eps)


def short(net, norm, eps):
    """Torchattacks' AutoAttack as it comes."""
    from torchattacks import AutoAttack

    return AutoAttack(net, norm={"linf": "Linf", "l2": "L2"}[norm], eps=eps, n_classes=10, seed=0)


def theirs(name, make, norm, eps, count):
    """Share of so many images that torchattacks leaves standing."""
    import torch

    net = twin(name)
    images, labels = (np.array(array) for array in photos(count))
    x, y = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels.astype(np.int64))
    attacked = make(net, norm, eps)(x, y)
    with torch.inference_mode():
        return float((net(attacked).argmax(1) == y).float().mean())


@pytest.mark.parametrize(
    ("name", "norm", "radii", "make", "count"),
    [
        ("standard", "linf", (0.125, 0.2), short, 50),
        long("standard", "linf", (0.125, 0.15, 0.2), short, 500),
        long("standard", "linf", (0.1, 0.125, 0.15), published, 500),
        long("standard", "l2", (1.0, 1.5, 2.0), published, 500),
        long("robust", "linf", (0.1, 0.2, 0.3), published, 500),
    ],
)
def test_no_more_images_stand_than_under_the_other_autoattack(name, norm, radii, make, count):
    model, (images, labels) = victim(name), photos(count)

    @jax.jit
    def ours(eps):
        return jnp.mean(model(autoattack(model, images, labels, eps, norm=norm)).argmax(-1) == labels)

    shares = {eps: (float(ours(eps)), theirs(name, make, norm, eps, count)) for eps in radii}
    print(f"{name} {norm} {make.__name__}, ours and torchattacks': {shares}")
    for eps, (share, other) in shares.items():
        assert share <= other + ROOM + 1e-6, (eps, share, other)
    found = [share for share, _ in shares.values()]
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0]
