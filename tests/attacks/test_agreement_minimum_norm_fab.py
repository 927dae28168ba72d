"""FAB, FAB-T and DeepFool find changes as small as those of torchattacks and foolbox, on the same weights."""

from functools import cache, partial

import jax
import numpy as np
import pytest

from helpers.peers import ATTACKS_NEEDED, long
from helpers.victims import photos, twin, victim
from minmax_jax.attacks.deepfool import deepfool
from minmax_jax.attacks.fab import fab, fab_targeted

pytestmark = ATTACKS_NEEDED

LARGER = 1.02  # how much larger than the peer's the median change may be
ROOM = 0.01  # how much more robust than under the peer's attack the model may seem
RADII = {
    ("standard", "linf"): (0.05, 0.1, 0.15),
    ("standard", "l2"): (0.5, 1.0, 1.5),
    ("robust", "linf"): (0.1, 0.2, 0.3),
    ("robust", "l2"): (0.5, 1.0, 2.0),
}
# Both sides take few steps: with the 100 of FAB and the 50 of DeepFool, the peers alone take minutes.
FAB_STEPS = 5
DEEPFOOL_STEPS = 10


@cache
def tensors(n):
    """The photos and their labels in PyTorch's form."""
    import torch

    images, labels = (np.asarray(array) for array in photos(n))
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels.astype(np.int64))


def sizes(name, norm, attacked):
    """Size of each image's change; infinite where PyTorch's network gets it right, 0 where it never did."""
    import torch

    images, labels = tensors(len(attacked))
    with torch.inference_mode():
        before, after = (twin(name)(x).argmax(1) == labels for x in (images, attacked))
    change = (attacked - images).flatten(1)
    size = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    return torch.where(before, torch.where(after, torch.inf, size), 0).numpy()


def ours(attack, name, n, eps=None):
    import torch

    model, (images, labels) = victim(name), photos(n)
    got = jax.jit(lambda eps: attack(model, images, labels, eps))(eps)
    return torch.from_numpy(np.array(got).transpose(0, 3, 1, 2).copy())


def fab_of_torchattacks(name, norm, n, steps, **options):
    import torchattacks

    title = {"linf": "Linf", "l2": "L2"}[norm]
    return torchattacks.FAB(twin(name), norm=title, steps=steps, **options)(*tensors(n))


def deepfool_of_foolbox(name, norm, n, steps):
    import foolbox

    made = {"linf": foolbox.attacks.LinfDeepFoolAttack, "l2": foolbox.attacks.L2DeepFoolAttack}[norm]
    wrapped = foolbox.PyTorchModel(twin(name), bounds=(0, 1), device="cpu")
    return made(steps=steps)(wrapped, *tensors(n), epsilons=None)[0]


def compare(name, norm, n, attack, peer):
    """Median sizes, and robust shares at three radii, under our attack and under the peer's."""
    found = [sizes(name, norm, attacked) for attacked in (ours(attack, name, n), peer())]
    right = found[0] > 0
    medians = [float(np.median(one[right])) for one in found]
    shares = [[float((one > eps).mean()) for eps in RADII[name, norm]] for one in found]
    return medians, shares


def check(medians, shares):
    assert np.isfinite(medians).all(), medians
    assert medians[0] <= LARGER * medians[1], medians
    assert (np.array(shares[0]) <= np.array(shares[1]) + ROOM).all(), shares
    assert 0.02 < shares[0][1] < 0.98  # a radius at which there is something to tell


def compare_fab(name, norm, n=500, steps=FAB_STEPS):
    # Its result counts only within its eps: one that all are within.
    peer = partial(fab_of_torchattacks, name, norm, n, steps, eps={"linf": 1.0, "l2": 100.0}[norm])
    return compare(name, norm, n, partial(fab, norm=norm, steps=steps), peer)


def compare_deepfool(name, norm, n=500, steps=DEEPFOOL_STEPS):
    peer = partial(deepfool_of_foolbox, name, norm, n, steps)
    return compare(name, norm, n, partial(deepfool, norm=norm, steps=steps), peer)


def compare_in_turn(name, norm, eps, n=500, steps=FAB_STEPS):
    """Robust shares at a radius under our FAB-T, and under torchattacks'."""
    mine = ours(partial(fab_targeted, norm=norm, steps=steps), name, n, eps)
    peer = fab_of_torchattacks(name, norm, n, steps, eps=eps, multi_targeted=True, n_classes=10)
    return [float((sizes(name, norm, attacked) > eps).mean()) for attacked in (mine, peer)]


@pytest.mark.parametrize(
    ("name", "norm"),
    [("standard", "linf"), long("standard", "l2"), long("robust", "linf"), long("robust", "l2")],
)
def test_fab_finds_changes_as_small_as_the_references(name, norm):
    # By l2 few steps break few images of the robust network.
    check(*compare_fab(name, norm, steps=50 if (name, norm) == ("robust", "l2") else FAB_STEPS))


@pytest.mark.long
def test_fab_in_turn_breaks_as_many_images_as_the_references():
    mine, peer = compare_in_turn("standard", "linf", RADII["standard", "linf"][2])
    assert 0.02 < mine <= peer + ROOM


@pytest.mark.parametrize("norm", ["linf", long("l2")])
def test_deepfool_finds_changes_as_small_as_foolboxs(norm):
    check(*compare_deepfool("standard", norm))
