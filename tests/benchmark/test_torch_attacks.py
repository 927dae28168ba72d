"""Other packages' attacks, as they are timed, are those that they are said to be."""

import pytest

from helpers.peers import ATTACKS_NEEDED
from helpers.small import train
from minmax_jax.benchmark.rows import EPS, Size

pytestmark = ATTACKS_NEEDED

SIZE = Size(runs=1, images=256, epochs=2, repeats=1)


@pytest.fixture(scope="module")
def net():
    from minmax_jax.benchmark.torch_models import twin_of

    return twin_of(train(epochs=6).model).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def photos():
    from minmax_jax.benchmark.torch_side import tensors
    from minmax_jax.data import load

    return tensors(load("mnist").test[:40], "contiguous")


@pytest.mark.parametrize("name", ["torchattacks", "foolbox"])
def test_pgd_stays_in_its_ball_and_fools_a_network_that_is_not_robust(net, photos, name):
    from minmax_jax.benchmark import torch_attacks as peer_attacks

    images, labels = photos
    attacked = peer_attacks.PGDS[name](net)(images, labels)
    assert float((attacked - images).abs().max()) == pytest.approx(EPS, abs=1e-5)
    assert float(attacked.min()) >= 0 and float(attacked.max()) <= 1
    left = peer_attacks.standing(net, peer_attacks.PGDS[name](net), images, labels, 15)
    assert left <= 2 < int((net(images).argmax(1) == labels).sum())


def test_those_left_are_counted_over_all_batches(net, photos):
    from minmax_jax.benchmark import torch_attacks as peer_attacks

    images, labels = photos
    right = int((net(images).argmax(1) == labels).sum())
    for batch in (40, 15):
        assert peer_attacks.standing(net, lambda x, y: x, images, labels, batch) == right


def test_pgd_is_timed_in_the_fastest_form_of_the_fastest_package(monkeypatch):
    from minmax_jax.benchmark import torch_attacks as peer_attacks
    from minmax_jax.benchmark.rows import Result

    asked = []

    def timed(make, net, layout, data, batch, repeats):
        assert len(data) == 40
        asked.append((make, layout, batch))
        return Result(10.0 - len(asked), choice=f"{layout}, {batch}")

    monkeypatch.setattr(peer_attacks, "timed", timed)
    result = peer_attacks.pgd40(40, SIZE)
    assert len(asked) == len({*asked}) == 8
    assert result == (2.0, 0.0, "foolbox, channels_last, 40")


def test_autoattack_runs_once_in_the_form_that_pgd_is_fastest_in(monkeypatch, tmp_path):
    from helpers.small import lenet
    from minmax_jax import save
    from minmax_jax.benchmark import torch_attacks as peer_attacks

    calls = []

    class Harmless:
        def __call__(self, images, labels):
            calls.append(len(labels))
            return images

    monkeypatch.setattr(peer_attacks, "torchattacks_autoattack", lambda net: Harmless())
    times = {
        ("contiguous", 2): 3.0,
        ("contiguous", 8): 2.0,
        ("channels_last", 2): 1.0,
        ("channels_last", 8): 4.0,
    }
    timed = peer_attacks.timed

    def probed(make, net, layout, data, batch, repeats):
        if make is peer_attacks.torchattacks_pgd:
            return peer_attacks.Result(times[layout, batch])
        return timed(make, net, layout, data, batch, repeats)

    monkeypatch.setattr(peer_attacks, "timed", probed)
    file = save(lenet(3), tmp_path / "victim.npz")
    result = peer_attacks.autoattack(8, Size(runs=1, images=1, epochs=2, repeats=1, victim=str(file)))
    assert calls == [2, 2, 2, 2] and result.choice.startswith("torchattacks, channels_last, batch 2; ")


def test_autoattack_has_the_published_settings(net):
    from minmax_jax.benchmark import torch_attacks as peer_attacks

    parts = peer_attacks.torchattacks_autoattack(net).attacks
    assert [type(part).__name__ for part in parts] == ["APGD", "APGDT", "FAB", "Square"]
    assert {(part.norm, part.eps) for part in parts} == {("Linf", EPS)}
    assert [part.steps for part in parts[:3]] == [100] * 3 and parts[3].n_queries == 5000
    assert not parts[3].rescale_schedule
    assert [part.n_target_classes for part in parts[1:3]] == [9, 9] and parts[2].multi_targeted
