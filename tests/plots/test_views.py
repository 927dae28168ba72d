"""The figures of explorers: what they show is what the data say, and in place they look as drawn anew."""

import numpy as np
import pytest
import xarray as xr

import minmax_jax as mm
from helpers.drawn import drawn_anew, labelled
from helpers.made_up import penalties
from helpers.small import digits, lenet, run
from minmax_jax.plots.attack_view import AttackView
from minmax_jax.plots.kernel_view import KernelView
from minmax_jax.plots.minmax_view import MinMaxView
from minmax_jax.plots.panels import mosaic
from minmax_jax.plots.penalty_view import PenaltyView, verdict
from minmax_jax.plots.strengths_view import StrengthsView
from minmax_jax.plots.training_view import TrainingView
from minmax_jax.study.design.arm import Arm

pytestmark = pytest.mark.slow

PATCH = np.array([[0.0, 1.0], [1.0, 1.0]], np.float32)
TAPS = np.array([[1.0, -1.0], [0.5, 0.0]])
IMAGE = np.full((4, 4, 1), 0.5, np.float32)
LOGITS = np.log(np.array([[0.9, 0.1], [0.2, 0.8]], np.float32))


@pytest.fixture(scope="module")
def history():
    return run().history


@pytest.fixture(scope="module")
def table():
    return penalties()


def parts(history):
    """A history of its first steps, the whole one, and one under attack beside the first."""
    begun = history.isel(snapshot=slice(0, 2), step=slice(0, 3), epoch=slice(0, 0))
    attacked = history.assign_attrs(objective_defence="adversarial")
    two = {"this run": attacked, "kept run": begun}
    return {"this run": begun}, {"this run": history}, two, dict(reversed(two.items()))


def moves(name, history):
    """How to make a view, and what it is to show one after the other."""
    rng = np.random.default_rng(0)
    shapes = ((4, 6, 3), (4, 4, 1), (4, 4, 1))
    match name:
        case "minmax":
            form = "filter", "magnitude", "linear"
            other = history.assign(fuzziness=history.fuzziness / 2)
            steps = [(history, "conv1", *form, i) for i in (0, 3)] + [(history, "conv2", *form, 3)]
            steps += [
                (history, "conv2", reading, "signed", "entropy", 3) for reading in ("fixed", "trajectory")
            ]
            return MinMaxView, [*steps, (other, "conv2", *form, 3)]
        case "attack":
            images = [(rng.random(shape, np.float32), rng.random(shape, np.float32)) for shape in shapes]
            logits = [LOGITS, LOGITS[::-1], LOGITS]
            shown = [(*two, one, 0, 0.3, "pgd") for two, one in zip(images, logits, strict=True)]
            return lambda: AttackView(["cat", "dog"]), shown
        case "training":
            return TrainingView, [(one, "filter", "magnitude", "linear") for one in parts(history)]
    kernels = [(TAPS * 0, "signed", "entropy"), (TAPS, "signed", "entropy"), (TAPS, "signed", "quadratic")]
    return lambda: KernelView(PATCH), kernels


@pytest.mark.parametrize("name", ["attack", "kernel", "minmax", "training"])
def test_in_place_a_view_looks_as_drawn_anew(name, history):
    make, shown = moves(name, history)
    used = make()
    for arguments in shown:
        fresh = make()
        for view in (used, fresh):
            view.show(*arguments)
        np.testing.assert_array_equal(used.figure.pixels(), drawn_anew(fresh.figure))
        assert used.caption == fresh.caption and labelled(used.figure)
    used.show(*shown[-1])
    assert not used.figure.stale, "what stays is not drawn again"


# A layer over training


def test_the_snapshot_that_was_asked_for_is_shown(history):
    view = MinMaxView()
    for snapshot in (0, 2, -1):
        view.show(history, "conv1", "fixed", "signed", "linear", snapshot)
        shown = np.ma.filled(view.picture.get_array(), np.nan)
        np.testing.assert_array_equal(shown, mosaic(history.kernel_conv1.values[snapshot]))
        chosen = {"layer": "conv1", "reading": "fixed", "membership": "signed", "measure": "linear"}
        fuzziness = history.fuzziness.sel(chosen).values
        assert view.marker.get_ydata()[0] == fuzziness[snapshot]
        assert sum(bar.get_height() for bar in view.bars) == pytest.approx(1)
        assert f"{fuzziness[snapshot]:.3f}" in view.caption


def test_captions_say_which_way_fuzziness_went(history):
    view, course = MinMaxView(), history.fuzziness.copy()
    for change, words in ((-0.2, "has fallen"), (0.2, "has risen"), (0.0, "is level")):
        course[-1] = course[0] + change
        view.show(history.assign(fuzziness=course), "conv2")
        assert words in view.caption


def test_dense_layers_are_pictures_too():
    options = {"epochs": 1, "record": ["conv1", "dense2"], "progress": False}
    history, view = mm.fit(lenet(), digits(), **options).history, MinMaxView()
    for layer in ("dense2", "conv1", "dense2"):
        assert labelled(view.show(history, layer))
    np.testing.assert_array_equal(view.picture.get_array(), history.kernel_dense2.values[-1])


# One image under attack


def test_answers_and_changes_are_drawn_and_told():
    view = AttackView(["cat", "dog"])
    view.show(IMAGE, IMAGE + 0.1, LOGITS, 0, 0.1, "pgd")
    assert (view.answers.get_xlabel(), view.answers.get_ylabel()) == ("class", "softmax (%)")
    assert [round(float(bar.get_height())) for bar in view.answers.patches] == [90, 10, 20, 80]
    assert view.moved.get_title() == "answer: dog"
    np.testing.assert_allclose(view.added.images[0].get_array(), 0.1, atol=1e-6)
    assert view.caption == (
        "An image labelled cat is taken for cat (90%); pgd of eps 0.1 (L-inf, pixel values in [0, 1]) "
        "makes it dog (80%)."
    )
    view.show(IMAGE, IMAGE, LOGITS * 0, None, 0.0, "fgsm")
    assert "of no label" in view.caption and "does not change that" in view.caption


@pytest.mark.parametrize(("classes", "every"), [(20, 1), (21, 2), (100, 5)])
def test_as_many_classes_are_named_as_have_room(classes, every):
    view = AttackView([f"class {i}" for i in range(classes)])
    view.show(IMAGE, IMAGE, np.eye(2, classes, dtype=np.float32), 0, 0.1, "pgd")
    ticks = {tick.get_text(): tick.get_position()[0] for tick in view.answers.get_xticklabels()}
    assert ticks == {f"class {i}": i for i in range(0, classes, every)}
    assert len(view.answers.patches) == 2 * classes


# A kernel


def test_numbers_of_a_kernel_by_hand():
    """Taps 1, -1, 0.5, 0: y = -0.5, L1 norm 2.5, of it 2.25 / 1 by energy and 0.25 by fuzziness."""
    view = KernelView(PATCH)
    view.show(TAPS, "signed", "quadratic", 0.2)
    assert "y is -0.50 and can be moved by 0.50 at eps 0.2" in view.caption
    assert view.dots.get_xdata().tolist() == pytest.approx([1, 0, 0.75, 0.5])
    assert view.dots.get_ydata().tolist() == pytest.approx([0, 0, 0.75, 1])
    assert view.lower[0].get_height() == pytest.approx(2.25)
    assert (view.upper[0].get_y(), view.upper[0].get_height()) == pytest.approx((2.25, 0.25))
    assert "fuzziness is 0.438 (signed, quadratic)" in view.caption
    view.show(np.array([[1.0, -1.0], [0.0, 0.0]]), "magnitude")
    assert view.dots.get_xdata().tolist() == [1, 1, 0, 0], "by magnitude, off is crisp"
    assert "fuzziness is 0.000 (magnitude, entropy)" in view.caption
    view.show(np.zeros((2, 2)))
    assert "can be moved by 0.00" in view.caption and view.lower[0].get_height() == 0


# Runs while they are trained


def test_two_runs_are_drawn_side_by_side(history):
    view = TrainingView()
    view.show({})
    assert view.caption.startswith("No run yet")
    view.show({"this run": history, "kept run": history.isel(snapshot=slice(0, 3))}, "fixed")
    np.testing.assert_array_equal(view.loss.lines[0].get_ydata(), history.cross_entropy)
    names = [text.get_text() for text in view.fuzziness.get_legend().get_texts()]
    assert names == ["this run, conv1", "this run, conv2", "kept run, conv1", "kept run, conv2"]
    course = history.fuzziness.sel(layer="conv2", reading="fixed", membership="signed", measure="entropy")
    np.testing.assert_array_equal(view.fuzziness.lines[1].get_ydata(), course)
    assert view.filters[0].get_title() == "this run: conv1 at step 10"
    assert f"test accuracy {float(history.test_accuracy[-1]):.2%}" in view.caption
    view.show({"this run": history})
    assert not view.filters[1].images


def test_what_runs_withstand_is_drawn_together(history):
    accuracy = xr.DataArray([[1.0, 0.5]], {"attack": ["pgd"], "eps": [0.0, 0.1]})
    ends = xr.concat([accuracy - 0.1, (accuracy + 0.1).clip(max=1)], "end")
    table = xr.Dataset({"accuracy": accuracy, "interval": ends})
    view, names = TrainingView(), ["this run", "a", "b"]
    view.show({"this run": history}, attacked=dict.fromkeys(names, table))
    assert [bars.get_label() for bars in view.attacked.containers] == names
    line, _, (whiskers,) = view.attacked.containers[1].lines
    np.testing.assert_allclose(line.get_ydata(), [100, 50])
    np.testing.assert_allclose([one[:, 1] for one in whiskers.get_segments()], [[90, 100], [40, 60]])
    assert view.caption.endswith("Under PGD: this run 50% at 0.1; a 50% at 0.1; b 50% at 0.1.")
    view.show({"this run": history})
    assert not view.attacked.containers


@pytest.mark.filterwarnings("error")
def test_a_run_without_an_epoch_is_drawn(history):
    view = TrainingView()
    view.show({"this run": history.isel(epoch=slice(0, 0))}).draw_without_rendering()
    assert "no whole epoch yet" in view.caption


def test_limits_move_in_leaps_and_hold_all_that_is_known(history):
    view = TrainingView()
    view.show({"this run": history.isel(step=slice(0, 9))}).pixels()
    view.show({"this run": history})
    assert not view.figure.stale, "all would be drawn again"
    assert view.loss.get_xlim() == (0, 10) and view.loss.get_ylim()[1] in (1, 3, 10)
    steep = history.assign(cross_entropy=history.cross_entropy * 0 + np.array([np.inf, 40] + [2e-3] * 8))
    view.show({"this run": steep})
    assert view.loss.get_ylim() == (0.001, 100) and view.loss.get_xlim() == view.fuzziness.get_xlim()


# Runs by strength


def test_strengths_are_compared_in_order(history):
    attacked = history.assign(robust_accuracy=((), 0.25, {"long_name": "PGD"}))
    view = StrengthsView()
    view.show({3.0: attacked, 0.0: history}, "fixed", "magnitude", "linear", 3.0)
    clean, worst = (line.get_ydata() for line in view.accuracies.lines[:2])
    np.testing.assert_allclose(clean, [100 * float(history.test_accuracy[-1])] * 2)
    np.testing.assert_array_equal(worst, [np.nan, 25])
    assert [tick.get_text() for tick in view.fuzziness.get_xticklabels()] == ["0", "3"]
    chosen = {"layer": "conv2", "reading": "fixed", "membership": "magnitude", "measure": "linear"}
    end = float(history.fuzziness.sel(chosen)[-1])
    np.testing.assert_allclose(view.fuzziness.lines[1].get_ydata(), [end, end])
    assert view.accuracies.lines[-1].get_xdata()[0] == 1, "the strength that is marked"
    assert view.caption.startswith("λ = 0: ") and "25% under PGD." in view.caption
    view.show({})
    assert not view.accuracies.lines and view.caption.startswith("Move the slider")


# An arm of the study


def test_an_arm_is_drawn_and_told(table):
    view = PenaltyView(table, seed=1)
    assert labelled(view.show(Arm("fuzziness", 30.0)))
    assert view.accuracies.get_title() == "95.0% clean, 60% at eps 0.1"
    told = "fuzziness 30 layer signed entropy: 95.0% clean, 60% under the worst attack"
    assert view.caption.startswith(told) and "(63% without the penalty)" in view.caption
    assert view.caption.endswith("masking: no alarm of 3 seeds.")
    assert next(line.get_label() for line in view.accuracies.lines) == "no penalty, worst case"
    # Fuzziness over the strengths of its kind, the base as 0.
    assert [tick.get_text() for tick in view.fuzziness.get_xticklabels()] == ["-30", "0", "30"]
    np.testing.assert_allclose(view.fuzziness.lines[0].get_ydata(), [0.83, 0.8, 0.77], atol=1e-6)
    titles = [ax.get_title() for ax in view.pictures[0]]
    assert titles == ["labelled 7", "eps 0.05: a 7", "eps 0.1: a 7", "eps 0.2: a 3", "eps 0.3: a 3"]
    image = table.image.sel(seed=1).values + table.perturbation.sel(seed=1, arm="none")[0].values
    np.testing.assert_array_equal(view.pictures[0, 1].images[0].get_array(), image)


def test_a_base_is_drawn_among_the_kind_that_is_asked_for(table):
    view = PenaltyView(table)
    view.show(Arm(), Arm("fuzziness", 30.0, membership="magnitude"))
    assert "magnitude" in view.fuzziness.get_ylabel()
    assert len(view.fuzziness.get_xticklabels()) == 3
    view.show(Arm("fuzziness", 10.0, eps=0.1))
    assert [tick.get_text() for tick in view.fuzziness.get_xticklabels()] == ["0", "10"]


def test_alarms_are_counted_by_seeds(table):
    loud = table.copy(deep=True)
    loud.masking.loc[{"arm": "none", "check": "one_step", "seed": [0, 2]}] = 0.1
    loud.masking.loc[{"arm": "none", "check": "transfer", "seed": 0}] = 1 / 64  # one image is no alarm
    assert verdict(loud.sel(arm="none")) == "Checks for gradient masking: alarms by one_step in 2 of 3 seeds."
    loud["masking"] = loud.masking * np.nan
    assert verdict(loud.sel(arm="none")) == "Checks for gradient masking: not made."
