"""FGSM, PGD and MI-FGSM are as strong as those of foolbox, torchattacks and ART, on the same weights."""

from functools import cache

import jax
import numpy as np
import pytest

import minmax_jax as mm
from helpers.peers import ATTACKS_NEEDED, long
from helpers.victims import photos, twin, victim
from minmax_jax.attacks.momentum import momentum

pytestmark = ATTACKS_NEEDED

STEPS = 20
STEP = 2.5 / STEPS  # of PGD, in radii
ROOM = 0.01  # how much more robust than under the strongest peer's attack the model may seem
RADII = {
    ("robust", "linf"): (0.1, 0.2, 0.3),
    ("robust", "l2"): (0.5, 1.0, 2.0),
    ("standard", "linf"): (0.05, 0.1, 0.15),
    ("standard", "l2"): (0.5, 1.0, 1.5),
}

OURS = {
    "fgsm": mm.attacks.fgsm,
    "pgd": lambda *args, **options: mm.attacks.pgd(*args, steps=STEPS, **options),
    "momentum": lambda *args, **options: momentum(*args, steps=STEPS, **options),
}


def torchattacks_of(net, attack, norm, eps):
    import torchattacks

    made = {
        ("fgsm", "linf"): lambda: torchattacks.FGSM(net, eps=eps),
        ("pgd", "linf"): lambda: torchattacks.PGD(net, eps=eps, alpha=STEP * eps, steps=STEPS),
        ("pgd", "l2"): lambda: torchattacks.PGDL2(net, eps=eps, alpha=STEP * eps, steps=STEPS),
        ("momentum", "linf"): lambda: torchattacks.MIFGSM(net, eps=eps, alpha=eps / STEPS, steps=STEPS),
    }
    return made[attack, norm]() if (attack, norm) in made else None


def foolbox_of(net, attack, norm, eps):
    from foolbox import PyTorchModel, attacks

    prefix = {"linf": "Linf", "l2": "L2"}[norm]
    name = {
        "fgsm": "FastGradient",
        "pgd": "ProjectedGradientDescent",
        "momentum": "MomentumIterativeFastGradient",
    }
    options = {
        "fgsm": {},
        "pgd": {"abs_stepsize": STEP * eps, "steps": STEPS},
        "momentum": {"abs_stepsize": eps / STEPS, "steps": STEPS},
    }
    suffix = "Method" if attack == "momentum" else "Attack"
    made = getattr(attacks, f"{prefix}{name[attack]}{suffix}")(**options[attack])
    wrapped = PyTorchModel(net, bounds=(0, 1), device="cpu")
    return lambda images, labels: made(wrapped, images, labels, epsilons=eps)[1]


def art_of(net, attack, norm, eps):
    import torch
    from art.attacks.evasion import FastGradientMethod, MomentumIterativeMethod
    from art.attacks.evasion import ProjectedGradientDescentPyTorch as ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    estimator = PyTorchClassifier(
        net, torch.nn.CrossEntropyLoss(), (1, 28, 28), 10, clip_values=(0, 1), device_type="cpu"
    )
    shared = {"norm": {"linf": np.inf, "l2": 2}[norm], "eps": eps, "batch_size": 500}
    if attack == "fgsm":
        made = FastGradientMethod(estimator, **shared)
    elif attack == "pgd":
        made = ProjectedGradientDescent(
            estimator, eps_step=STEP * eps, max_iter=STEPS, num_random_init=1, verbose=False, **shared
        )
    else:
        made = MomentumIterativeMethod(
            estimator, eps_step=eps / STEPS, decay=1.0, max_iter=STEPS, verbose=False, **shared
        )
    return lambda images, labels: torch.from_numpy(made.generate(images.numpy(), labels.numpy()))


PEERS = {"torchattacks": torchattacks_of, "foolbox": foolbox_of, "ART": art_of}


@cache
def tensors():
    """The photos and their labels in PyTorch's form."""
    import torch

    images, labels = (np.asarray(array) for array in photos())
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels.astype(np.int64))


def robust_share(name, attacked):
    """Share of images that PyTorch's network gets right both as they are and attacked."""
    import torch

    images, labels = tensors()
    with torch.no_grad():
        right = [twin(name)(x).argmax(1) == labels for x in (images, attacked)]
    return float((right[0] & right[1]).float().mean())


def size(attacked, norm):
    """The largest change, by the attack's norm."""
    change = (attacked - tensors()[0]).flatten(1)
    return float((change.abs().amax(1) if norm == "linf" else change.norm(dim=1)).max())


@cache
def ours(name, attack, norm):
    """Our attack on all photos, as one compiled function of the radius."""
    model, (images, labels) = victim(name), photos()
    return jax.jit(lambda eps: OURS[attack](model, images, labels, eps, norm=norm))


def compare(name, attack, norm, eps):
    """Robust share of a model under our attack, and under each peer's that has it."""
    import torch

    points = torch.from_numpy(np.array(ours(name, attack, norm)(eps)).transpose(0, 3, 1, 2).copy())
    assert size(points, norm) <= eps * (1 + 1e-5) and 0 <= float(points.min()) <= float(points.max()) <= 1
    images, labels = tensors()
    found = {}
    for peer, make in PEERS.items():
        torch.manual_seed(0)
        np.random.seed(0)  # ART draws from it  # noqa: NPY002
        if (made := make(twin(name), attack, norm, eps)) is not None:
            attacked = made(images.clone(), labels.clone()).detach()
            assert size(attacked, norm) <= eps * 1.001, peer  # else it would be no comparison
            found[peer] = robust_share(name, attacked)
    return robust_share(name, points), found


@pytest.mark.parametrize(("name", "norm"), RADII)
@pytest.mark.parametrize("attack", ["fgsm", long("pgd"), long("momentum")])
def test_robust_accuracy_is_as_low_as_under_the_strongest_peer(name, attack, norm):
    results = {eps: compare(name, attack, norm, eps) for eps in RADII[name, norm]}
    for eps, (share, peers) in results.items():
        assert len(peers) >= 2
        assert share <= min(peers.values()) + ROOM + 1e-6, (eps, share, peers)
    print(f"{attack} {norm} {name}: {results}")
    shares = [share for share, _ in results.values()]
    assert shares == sorted(shares, reverse=True) and shares[-1] < shares[0]


def test_the_twin_has_the_victims_logits():
    import torch

    for name in ("standard", "robust"):
        with torch.no_grad():
            theirs = twin(name)(tensors()[0]).numpy()
        np.testing.assert_allclose(theirs, victim(name)(photos()[0]), atol=2e-4)
