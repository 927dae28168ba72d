"""Fidelity in quick mode: networks are those that fit trains, judged as the group does and in the box."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import minmax_jax as mm
from helpers.quick import quick
from minmax_jax.data import Split
from minmax_jax.objective import cross_entropy
from minmax_jax.study.design.data import study_data
from minmax_jax.study.design.fidelity import EPS, PLAIN
from minmax_jax.study.experiments.measurements import in_turn
from minmax_jax.study.experiments.plans import PLANS

pytestmark = pytest.mark.slow
QUICK, FULL = PLANS["fidelity"].quick, PLANS["fidelity"].full


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    assert len(QUICK.experiment("fidelity", "").units) == 3 * 2  # a tuned network goes with its start
    return quick("fidelity", tmp_path_factory.mktemp("results"), seeds=(1,))


def test_the_table_is_by_arm_and_seed(table):
    assert table.accuracy.dims == ("arm", "seed", "attack", "eps") and table.finished.all()
    assert table.judged.dims == ("arm", "seed", "judge") and table.near_zero.dims[2:] == ("convolution",)
    assert table.judge.values.tolist() == ["fgsm unclipped", "fgsm", "pgd", "deepfool"]
    assert table.rebuilt_tuned.values.tolist() == [False, False, False, True]
    assert all(table[name].attrs["long_name"] for name in table.data_vars)
    assert (FULL.seeds, FULL.judged, FULL.images, FULL.eps) == (tuple(range(5)), 1000, 48, (0.0924, 0.1, 0.2))
    assert FULL.checks and len(FULL.groups[PLAIN]) == 5 and len(FULL.groups) == 14


def test_a_tuned_network_goes_on_from_the_plain_one_and_is_judged(table):
    data, tuned = study_data("mnist", small=True), QUICK.arms[-1]
    options = {"batch_size": 64, "snapshots": 2, "progress": False}
    start = PLAIN.model(1, small=True)
    plain = mm.fit(start, data.data, epochs=10, seed=1, **options, **PLAIN.training(200)).model
    model = mm.fit(plain, data.data, epochs=1, seed=101, **options, **tuned.training(20)).model
    part = data.validation[:16]
    for arm, network in ((PLAIN, plain), (tuned, model)):
        cell = table.sel(arm=arm.name, seed=1)
        assert float(cell.clean_accuracy) == pytest.approx(mm.accuracy(network, data.validation))
        np.testing.assert_allclose(cell.accuracy, in_turn(network, part[:8], QUICK.eps, ["pgd"], 1))
        slope = jax.grad(lambda x, of=network: cross_entropy(of(x), part.labels))(jnp.asarray(part.images))
        moved = part.images + EPS * np.sign(slope)
        right = (network(moved).argmax(-1) == part.labels).mean()
        assert float(cell.judged.sel(judge="fgsm unclipped")) == pytest.approx(float(right))
        boxed = mm.accuracy(network, Split(np.clip(moved, 0, 1), part.labels))
        assert float(cell.judged.sel(judge="fgsm")) <= boxed + 1e-6
        fooled = mm.attacks.deepfool(network, part.images, part.labels, None, steps=3)
        expected = mm.accuracy(network, Split(np.asarray(fooled), part.labels))
        assert float(cell.judged.sel(judge="deepfool")) == pytest.approx(expected)
