"""The regularisation experiment in quick mode: paired arms, labelled, each seed with images of its own."""

import numpy as np
import pytest
from flax import nnx

import minmax_jax as mm
from helpers.small import lenet, same_weights
from minmax_jax.study.design.arm import Arm, arms_of
from minmax_jax.study.design.images import pictures
from minmax_jax.study.engine.result import about, read, write
from minmax_jax.study.engine.runner import run
from minmax_jax.study.experiments import measurements as gauge
from minmax_jax.study.experiments import regularisation
from minmax_jax.training import Diverged, Run

QUICK = regularisation.QUICK["strengths"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The quick result of each part."""
    folder = tmp_path_factory.mktemp("results")
    plans = {part: regularisation.plan(part, quick=True) for part in regularisation.NAMES}
    return {part: read(run(one, folder, "a test", progress=False)[0]) for part, one in plans.items()}


@pytest.fixture
def table(results):
    return results["strengths"]


def test_the_table_is_labelled(table):
    assert table.arm.values.tolist() == ["none", "fuzziness 30 layer signed entropy"]
    assert table.accuracy.dims == ("arm", "seed", "attack", "eps")
    assert table.eps.values.tolist() == pytest.approx(gauge.RADII)
    assert table.trained_strength.values.tolist() == [0, 30]
    assert all(table[name].attrs["long_name"] for name in table.data_vars)
    assert table.finished.all()
    assert about(table)["config"]["attacked images of each seed"] == 8


def test_networks_are_those_that_fit_trains(table):
    data = pictures("mnist", small=True)
    model = mm.LeNet(rngs=nnx.Rngs(1))
    objective = mm.Objective(strength=30.0)
    trained = mm.fit(model, data.data, objective, seed=1, snapshots=2, progress=False).model
    cell = table.isel(arm=1, seed=1)
    assert float(cell.clean_accuracy) == pytest.approx(mm.accuracy(trained, data.validation))
    own = data.validation[8:16]
    report = mm.robustness(trained, own, gauge.RADII, attacks=["fgsm"], seed=1, progress=False)
    np.testing.assert_allclose(cell.accuracy, report.accuracy)
    expected = mm.fuzziness(trained, layers=["conv1"])
    found = cell.fuzziness.sel(convolution="conv1", reading="layer", membership="signed", measure="entropy")
    assert float(found) == pytest.approx(float(expected), abs=1e-6)


def test_a_network_that_diverges_is_measured_and_marked(monkeypatch, tmp_path):
    model = mm.LeNet(rngs=nnx.Rngs(0))

    def diverge(*_, **__):
        raise Diverged("too far", Run(model, None, "diverged"))

    monkeypatch.setattr(regularisation, "fit", diverge)
    found = regularisation.train(Arm(), 0, QUICK, tmp_path, print)
    assert not found["finished"] and np.isfinite(found["clean_accuracy"])


def test_a_stopped_run_is_not_taken_for_a_finished_one(monkeypatch, tmp_path):
    monkeypatch.setattr(regularisation, "fit", lambda *_, **__: Run(lenet(), None, "stopped"))
    with pytest.raises(KeyboardInterrupt):
        regularisation.train(Arm(), 0, QUICK, tmp_path, print)


def test_parts_make_one_table(results):
    whole = regularisation.together(results.values())
    assert arms_of(whole) == list(
        dict.fromkeys(arm for one in regularisation.QUICK.values() for arm in one.arms)
    )
    for one in results.values():
        same = whole.sel(arm=one.arm)
        np.testing.assert_array_equal(same.clean_accuracy, one.clean_accuracy)
        np.testing.assert_array_equal(same.fuzziness, one.fuzziness)
        np.testing.assert_array_equal(same.image, one.image)
    assert whole.image.dims == ("seed", "height", "width")
    assert all(whole[name].attrs["long_name"] for name in whole.data_vars)


def test_results_in_a_folder_make_one_table(results, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds none of regularisation_strengths"):
        mm.study.regularised(tmp_path)
    for part, table in results.items():
        write(tmp_path / f"{regularisation.NAMES[part]}.nc", table, about(table))
    whole = mm.study.regularised(tmp_path)
    assert whole.attrs == {"images": 8} and set(whole.arm.values) == {
        str(name) for one in results.values() for name in one.arm.values
    }
    other = about(results["norms"])
    other["config"]["attacked images of each seed"] = 9
    write(tmp_path / "regularisation_norms.nc", results["norms"], other)
    with pytest.raises(ValueError, match="images a seed"):
        mm.study.regularised(tmp_path)


def test_every_part_trains_by_its_arms(results):
    one = results["readings"]
    assert arms_of(one) == [Arm(reading="fixed"), Arm("fuzziness", 30.0, "fixed")]
    largest = one.largest.sel(layer="conv2").values
    assert (largest <= mm.intervals.initial_bound((5, 5, 6, 16)) + 1e-6).all()  # projected
    assert (results["norms"].l1.sum("layer").diff("arm") < 0).all()
    assert results["defended"].trained_eps.values.tolist() == [0.1, 0.1]


def test_the_rival_is_plainly_trained():
    data = pictures("mnist", small=True).data
    plain = mm.fit(lenet(1000), data, seed=1000, progress=False).model
    assert same_weights(regularisation.rival(True), plain)
