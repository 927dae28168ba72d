"""Other packages' attacks, as they are timed, are those that they are said to be."""

import re

import pytest

from helpers.peers import ATTACKS_NEEDED
from helpers.small import lenet, train
from minmax_jax import load, save
from minmax_jax.benchmark.rows import EPS, Size

pytestmark = [*ATTACKS_NEEDED, pytest.mark.slow]


@pytest.fixture(scope="module")
def net():
    from minmax_jax.benchmark.torch_models import twin_of

    return twin_of(train(epochs=6).model).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def photos():
    from minmax_jax.benchmark.torch_step import tensors

    return tensors(load("mnist").test[:40], "contiguous")


@pytest.mark.parametrize("name", ["torchattacks", "foolbox"])
def test_pgd_stays_in_its_ball_and_fools_a_network_that_is_not_robust(net, photos, name):
    from minmax_jax.benchmark.torch_attacks import PGDS, withstood

    images, labels = photos
    attacked = PGDS[name](net)(images, labels)
    assert float((attacked - images).abs().max()) == pytest.approx(EPS, abs=1e-5)
    assert float(attacked.min()) >= 0 and float(attacked.max()) <= 1
    right = int((net(images).argmax(1) == labels).sum())
    assert withstood(net, PGDS[name](net), images, labels, 15) <= 2 < right
    assert [withstood(net, lambda x, y: x, images, labels, batch) for batch in (40, 15)] == [right] * 2


def test_whole_attacks_are_timed_in_the_form_that_they_name(tmp_path, monkeypatch):
    """In place of AutoAttack, which takes long however few images there are, PGD."""
    from minmax_jax.benchmark import torch_attacks
    from minmax_jax.benchmark.torch_attacks import MEASURES

    monkeypatch.setattr(torch_attacks, "torchattacks_autoattack", torch_attacks.torchattacks_pgd)
    file = save(lenet(3), tmp_path / "target.npz")
    size = Size(runs=1, images=256, epochs=2, repeats=1, target=str(file))
    for name, package in {"pgd40": "(torchattacks|foolbox)", "autoattack": "torchattacks"}.items():
        result = MEASURES[name](8, size)
        form = rf"{package}, (contiguous|channels_last), batch (2|8); \d withstand"
        assert re.fullmatch(form, result.choice) and result.seconds > 0


def test_autoattack_has_the_published_settings(net):
    from minmax_jax.benchmark.torch_attacks import torchattacks_autoattack

    parts = torchattacks_autoattack(net).attacks
    assert [type(part).__name__ for part in parts] == ["APGD", "APGDT", "FAB", "Square"]
    assert {(part.norm, part.eps) for part in parts} == {("Linf", EPS)}
    assert [part.steps for part in parts[:3]] == [100] * 3 and parts[3].n_queries == 5000
    assert not parts[3].rescale_schedule
    assert [part.n_target_classes for part in parts[1:3]] == [9, 9] and parts[2].multi_targeted
