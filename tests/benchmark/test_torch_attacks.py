"""Other packages' attacks, as they are timed, are those that they are said to be."""

import pytest

from helpers.peers import ATTACKS_NEEDED
from helpers.small import lenet, train
from minmax_jax import load, save
from minmax_jax.benchmark.rows import EPS, Size
from minmax_jax.benchmark.timing import Result

pytestmark = [*ATTACKS_NEEDED, pytest.mark.slow]

FORMS = {
    **{("contiguous", 2): 3.0, ("contiguous", 8): 2.0},
    **{("channels_last", 2): 1.0, ("channels_last", 8): 4.0},
}


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


@pytest.fixture
def probed(monkeypatch):
    """PGD takes the times of ``FORMS``, and twice those by torchattacks; the list holds what was timed."""
    from minmax_jax.benchmark import torch_attacks

    asked, timed = [], torch_attacks.timed

    def answer(make, net, layout, data, batch, repeats):
        asked.append((make.__name__, layout, batch))
        if "pgd" not in make.__name__:
            return timed(make, net, layout, data, batch, repeats)
        factor = 2 if "torchattacks" in make.__name__ else 1
        return Result(factor * FORMS[layout, batch], choice=f"{layout}, {batch}")

    monkeypatch.setattr(torch_attacks, "timed", answer)
    return asked


def test_pgd_is_timed_in_the_fastest_form_of_the_fastest_package(probed):
    from minmax_jax.benchmark import torch_attacks

    result = torch_attacks.pgd40(8, Size(runs=1, images=256, epochs=2, repeats=1))
    assert len(probed) == len({*probed}) == 8
    assert result == (1.0, 0.0, "foolbox, channels_last, 2")


def test_autoattack_runs_once_in_the_form_in_which_pgd_is_fastest(probed, monkeypatch, tmp_path):
    from minmax_jax.benchmark import torch_attacks

    calls = []

    def harmless(images, labels):
        calls.append(len(labels))
        return images

    monkeypatch.setattr(torch_attacks, "torchattacks_autoattack", lambda net: harmless)
    file = save(lenet(3), tmp_path / "target.npz")
    result = torch_attacks.autoattack(8, Size(runs=1, images=1, epochs=2, repeats=1, target=str(file)))
    assert calls == [2, 2, 2, 2] and result.choice.startswith("torchattacks, channels_last, batch 2; ")


def test_autoattack_has_the_published_settings(net):
    from minmax_jax.benchmark.torch_attacks import torchattacks_autoattack

    parts = torchattacks_autoattack(net).attacks
    assert [type(part).__name__ for part in parts] == ["APGD", "APGDT", "FAB", "Square"]
    assert {(part.norm, part.eps) for part in parts} == {("Linf", EPS)}
    assert [part.steps for part in parts[:3]] == [100] * 3 and parts[3].n_queries == 5000
    assert not parts[3].rescale_schedule
    assert [part.n_target_classes for part in parts[1:3]] == [9, 9] and parts[2].multi_targeted
