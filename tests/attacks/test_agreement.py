"""Each attack is as strong as those of torchattacks, foolbox and ART, on the same weights and test images.

Cases that take minutes are run by ``pytest -m long`` alone.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.peers import ATTACKS_NEEDED, long
from helpers.victims import photos, twin, victim
from minmax_jax import attacks
from minmax_jax.attacks.ball import size
from minmax_jax.attacks.square_proposals import pattern, sides

pytestmark = [*ATTACKS_NEEDED, pytest.mark.slow]

ROOM = 0.01  # how much more robust than under the strongest peer's attack the model may seem
LARGER = 1.02  # how much larger than the peer's the median change may be
TITLE = {"linf": "Linf", "l2": "L2"}  # of norms, in other packages
RADII = {
    ("robust", "linf"): (0.1, 0.2, 0.3),
    ("robust", "l2"): (0.5, 1.0, 2.0),
    ("standard", "linf"): (0.05, 0.1, 0.15),
    ("standard", "l2"): (0.5, 1.0, 1.5),
}


@cache
def tensors(n=500):
    """The photos and their labels in PyTorch's form."""
    import torch

    images, labels = (np.asarray(array) for array in photos(n))
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels.astype(np.int64))


@cache
def ours(attack, name, n=500):
    """Our attack on the photos, as one compiled function of the radius."""
    model, (images, labels) = victim(name), photos(n)
    return jax.jit(lambda eps: attack(model, images, labels, eps))


def our_share(attack, name, eps, n=500):
    """Share of images that our network gets right under our attack."""
    attacked = ours(attack, name, n)(eps)
    return float(jnp.mean(victim(name)(attacked).argmax(-1) == photos(n)[1]))


def right(name, attacked):
    """Whether PyTorch's network gets each of the photos right as it is attacked."""
    import torch

    with torch.inference_mode():
        return twin(name)(attacked).argmax(1) == tensors(len(attacked))[1]


def sizes(name, norm, attacked):
    """Size of each change; infinite where PyTorch's network gets the image right, 0 where it never did."""
    import torch

    images = tensors(len(attacked))[0]
    change = (attacked - images).flatten(1)
    size = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    fooled = torch.where(right(name, attacked), torch.inf, size)
    return torch.where(right(name, images), fooled, 0).numpy()


def as_tensor(images):
    import torch

    return torch.from_numpy(np.array(images).transpose(0, 3, 1, 2).copy())


def foolbox_model(name):
    from foolbox import PyTorchModel

    return PyTorchModel(twin(name), bounds=(0, 1), device="cpu")


def art_classifier(name):
    import torch
    from art.estimators.classification import PyTorchClassifier

    loss = torch.nn.CrossEntropyLoss()
    return PyTorchClassifier(twin(name), loss, (1, 28, 28), 10, clip_values=(0, 1), device_type="cpu")


def check_falling(shares):
    """Of robust shares by radius, ours first, none is larger than the peers', and ours fall."""
    for eps, (share, *peers) in shares.items():
        assert share <= min(peers) + ROOM + 1e-6, (eps, share, peers)
    found = [share for share, *_ in shares.values()]
    assert found == sorted(found, reverse=True) and found[-1] < found[0]


STEPS = 20  # of PGD and MI-FGSM
STEP = 2.5 / STEPS  # of PGD, in radii


@cache
def first_order(attack, norm):
    steps = {} if attack == "fgsm" else {"steps": STEPS}
    return partial(getattr(attacks, attack), norm=norm, **steps)


def torchattacks_of(name, attack, norm, eps):
    import torchattacks

    net = twin(name)
    made = {
        ("fgsm", "linf"): lambda: torchattacks.FGSM(net, eps=eps),
        ("pgd", "linf"): lambda: torchattacks.PGD(net, eps=eps, alpha=STEP * eps, steps=STEPS),
        ("pgd", "l2"): lambda: torchattacks.PGDL2(net, eps=eps, alpha=STEP * eps, steps=STEPS),
        ("momentum", "linf"): lambda: torchattacks.MIFGSM(net, eps=eps, alpha=eps / STEPS, steps=STEPS),
    }
    return made[attack, norm]() if (attack, norm) in made else None


def foolbox_of(name, attack, norm, eps):
    from foolbox import attacks as peers

    kind, options = {
        "fgsm": ("FastGradientAttack", {}),
        "pgd": ("ProjectedGradientDescentAttack", {"abs_stepsize": STEP * eps, "steps": STEPS}),
        "momentum": ("MomentumIterativeFastGradientMethod", {"abs_stepsize": eps / STEPS, "steps": STEPS}),
    }[attack]
    made = getattr(peers, TITLE[norm] + kind)(**options)
    return lambda images, labels: made(foolbox_model(name), images, labels, epsilons=eps)[1]


def art_of(name, attack, norm, eps):
    import torch
    from art.attacks.evasion import FastGradientMethod, MomentumIterativeMethod
    from art.attacks.evasion import ProjectedGradientDescentPyTorch as ProjectedGradientDescent

    shared = {"norm": {"linf": np.inf, "l2": 2}[norm], "eps": eps, "batch_size": 500}
    iterated = {**shared, "max_iter": STEPS, "verbose": False}
    kind, options = {
        "fgsm": (FastGradientMethod, shared),
        "pgd": (ProjectedGradientDescent, {**iterated, "eps_step": STEP * eps, "num_random_init": 1}),
        "momentum": (MomentumIterativeMethod, {**iterated, "eps_step": eps / STEPS, "decay": 1.0}),
    }[attack]
    made = kind(art_classifier(name), **options)
    return lambda images, labels: torch.from_numpy(made.generate(images.numpy(), labels.numpy()))


def compare_first_order(name, attack, norm, eps):
    """Robust shares of a model under our attack, and under each peer's that has it."""
    import torch

    def share(attacked, most):
        found = sizes(name, norm, attacked)
        change = (attacked - images).flatten(1)
        largest = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
        assert float(largest.max()) <= eps * most  # else it would be no comparison
        return float(np.isinf(found).mean())

    images, labels = tensors()
    points = as_tensor(ours(first_order(attack, norm), name)(eps))
    assert 0 <= float(points.min()) <= float(points.max()) <= 1
    shares = [share(points, 1 + 1e-5)]
    for peer in (torchattacks_of, foolbox_of, art_of):
        torch.manual_seed(0)
        np.random.seed(0)  # ART draws from it  # noqa: NPY002
        if (made := peer(name, attack, norm, eps)) is not None:
            shares.append(share(made(images.clone(), labels.clone()).detach(), 1.001))
    assert len(shares) >= 3
    return shares


@pytest.mark.parametrize(("name", "norm"), RADII)
@pytest.mark.parametrize("attack", ["fgsm", long("pgd"), long("momentum")])
def test_robust_accuracy_is_as_low_as_under_the_strongest_peer(name, attack, norm):
    check_falling({eps: compare_first_order(name, attack, norm, eps) for eps in RADII[name, norm]})


AUTO = (0.1, 0.125, 0.15)  # radii at which some images of the standard network stand


@pytest.mark.parametrize(
    ("name", "attack", "norm", "radii"),
    [
        ("standard", "ce", "linf", AUTO[1:]),
        long("standard", "ce", "linf", AUTO),
        long("standard", "dlr", "linf", AUTO),
        long("standard", "ce", "l2", (1.0, 1.5, 2.0)),
        long("robust", "ce", "linf", (0.1, 0.2, 0.3)),
        long("robust", "dlr", "linf", (0.1, 0.2, 0.3)),
        long("robust", "ce", "l2", (1.0, 1.5, 2.0)),
        long("standard", "targeted", "linf", AUTO),
        long("robust", "targeted", "linf", (0.1, 0.2, 0.3)),
    ],
)
def test_no_more_images_withstand_auto_pgd_than_torchattacks(name, attack, norm, radii):
    from torchattacks import APGD, APGDT

    def theirs(eps):
        options = {"norm": TITLE[norm], "eps": eps, "steps": 100}
        net = twin(name)
        targeted = attack == "targeted"
        made = APGDT(net, n_classes=10, **options) if targeted else APGD(net, loss=attack, **options)
        return float(right(name, made(*tensors())).float().mean())

    kind = {"ce": attacks.apgd, "dlr": partial(attacks.apgd, loss="dlr"), "targeted": attacks.apgd_targeted}
    mine = partial(kind[attack], norm=norm)
    check_falling({eps: (our_share(mine, name, eps), theirs(eps)) for eps in radii})


def published(net, norm, eps):
    """Torchattacks' parts with the published settings: its own AutoAttack takes 10 steps in place of 100."""
    from minmax_jax.benchmark.torch_attacks import torchattacks_autoattack

    return torchattacks_autoattack(net, norm, eps)


def short(net, norm, eps):
    """Torchattacks' AutoAttack as it comes."""
    from torchattacks import AutoAttack

    return AutoAttack(net, norm=TITLE[norm], eps=eps, n_classes=10, seed=0)


@pytest.mark.parametrize(
    ("name", "norm", "radii", "make", "n"),
    [
        ("standard", "linf", (0.125, 0.2), short, 50),
        long("standard", "linf", (0.125, 0.15, 0.2), short, 500),
        long("standard", "linf", (0.1, 0.125, 0.15), published, 500),
        long("standard", "l2", (1.0, 1.5, 2.0), published, 500),
        long("robust", "linf", (0.1, 0.2, 0.3), published, 500),
    ],
)
def test_no_more_images_withstand_autoattack_than_torchattacks(name, norm, radii, make, n):
    def theirs(eps):
        return float(right(name, make(twin(name), norm, eps)(*tensors(n))).float().mean())

    mine = partial(attacks.autoattack, norm=norm)
    check_falling({eps: (our_share(mine, name, eps, n), theirs(eps)) for eps in radii})


# Both sides take few steps: with the 100 of FAB and the 50 of DeepFool, the peers alone take minutes.
FAB_STEPS, DEEPFOOL_STEPS = 5, 10


def fab_of_torchattacks(name, norm, steps, **options):
    import torchattacks

    return torchattacks.FAB(twin(name), norm=TITLE[norm], steps=steps, **options)(*tensors())


def deepfool_of_foolbox(name, norm):
    import foolbox

    made = {"linf": foolbox.attacks.LinfDeepFoolAttack, "l2": foolbox.attacks.L2DeepFoolAttack}[norm]
    return made(steps=DEEPFOOL_STEPS)(foolbox_model(name), *tensors(), epsilons=None)[0]


def check_sizes(name, norm, attack, peer):
    """Changes of our attack are about as small as the peer's, and as few images withstand them."""
    found = [sizes(name, norm, one) for one in (as_tensor(ours(attack, name)(None)), peer)]
    medians = [float(np.median(one[found[0] > 0])) for one in found]
    shares = np.array([[(one > eps).mean() for eps in RADII[name, norm]] for one in found])
    assert np.isfinite(medians).all() and medians[0] <= LARGER * medians[1], medians
    assert (shares[0] <= shares[1] + ROOM).all(), shares
    assert 0.02 < shares[0, 1] < 0.98  # a radius at which there is something to tell


@pytest.mark.parametrize(
    ("name", "norm"),
    [("standard", "linf"), long("standard", "l2"), long("robust", "linf"), long("robust", "l2")],
)
def test_fab_finds_changes_as_small_as_the_references(name, norm):
    # In l2 few steps break few images of the robust network.
    steps = 50 if (name, norm) == ("robust", "l2") else FAB_STEPS
    # The peer's result counts only within its eps: one that all are within.
    peer = fab_of_torchattacks(name, norm, steps, eps={"linf": 1.0, "l2": 100.0}[norm])
    check_sizes(name, norm, partial(attacks.fab, norm=norm, steps=steps), peer)


@pytest.mark.long
def test_fab_in_turn_breaks_as_many_images_as_the_references():
    eps = RADII["standard", "linf"][2]
    mine = as_tensor(ours(partial(attacks.fab_targeted, steps=FAB_STEPS), "standard")(eps))
    peer = fab_of_torchattacks("standard", "linf", FAB_STEPS, eps=eps, multi_targeted=True, n_classes=10)
    shares = [(sizes("standard", "linf", attacked) > eps).mean() for attacked in (mine, peer)]
    assert 0.02 < shares[0] <= shares[1] + ROOM


@pytest.mark.parametrize("norm", ["linf", long("l2")])
def test_deepfool_finds_changes_as_small_as_foolboxs(norm):
    attack = partial(attacks.deepfool, norm=norm, steps=DEEPFOOL_STEPS)
    check_sizes("standard", norm, attack, deepfool_of_foolbox("standard", norm))


CW = {"binary_search_steps": 5, "steps": 100}


def cw_sizes(images, found):
    """Size of each change, infinite where it is not adversarial."""
    reached = victim("standard")(found).argmax(-1) != photos(len(images))[1]
    return np.where(reached, size(found - images, "l2"), np.inf)


@cache
def our_cw_sizes(n=60):
    attack = partial(attacks.carlini_wagner, learning_rate=0.05, initial_constant=1.0, **CW)
    return cw_sizes(photos(n)[0], ours(attack, "standard", n)(None))


def test_carlini_wagner_finds_changes_as_small_as_foolboxs_with_the_same_settings():
    import foolbox

    images, labels = tensors(60)
    attack = foolbox.attacks.L2CarliniWagnerAttack(stepsize=0.05, initial_const=1.0, **CW)
    found = attack.run(foolbox_model("standard"), images, foolbox.criteria.Misclassification(labels))
    theirs = cw_sizes(photos(60)[0], jnp.asarray(found.numpy().transpose(0, 2, 3, 1)))
    assert np.isfinite(our_cw_sizes()).all()
    assert np.median(our_cw_sizes()) <= LARGER * np.median(theirs)
    assert np.median(our_cw_sizes() / theirs) <= LARGER
    for eps in (0.5, 1.0, 1.5):
        assert np.mean(our_cw_sizes() > eps) <= np.mean(theirs > eps) + ROOM


QUERIES = 200  # of Square Attack for each image; the schedule of squares is stretched to them


def square_of_torchattacks(name, eps, **options):
    from torchattacks import Square

    return Square(twin(name), eps=eps, n_queries=QUERIES, seed=0, **options)


@pytest.mark.long
@pytest.mark.parametrize("name", ["standard", "robust"])
@pytest.mark.parametrize("eps", [0.1, 0.2, 0.3])
def test_no_more_images_withstand_square_than_torchattacks(name, eps):
    """Up to one percentage point, for both draw at random."""
    mine = our_share(partial(attacks.square, queries=QUERIES), name, eps)
    theirs = right(name, square_of_torchattacks(name, eps)(*tensors())).float().mean()
    assert mine <= float(theirs) + ROOM


@pytest.mark.parametrize("side", [3, 5, 9, 25])
def test_squares_patterns_are_the_same_up_to_a_turn(side):
    import torch

    other = square_of_torchattacks("standard", 1.0, norm="L2")
    other.init_hyperparam(torch.zeros(1, 1, 28, 28))
    got = other.eta(side).numpy()
    near = [np.abs(got - expected).max() for expected in (pattern(side, 2), pattern(side, 2).T)]
    assert min(near) < 1e-6 < max(near)


def test_squares_schedule_is_the_same():
    other = square_of_torchattacks("standard", 0.1)
    shares = np.array([other.p_selection(number) for number in range(QUERIES)])
    expected = np.maximum(np.rint(np.sqrt(shares * 28 * 28)), 1)
    np.testing.assert_array_equal(sides(QUERIES, 0.8, 28, 28), expected)
