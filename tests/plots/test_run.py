"""Figures: what stands on them is what the data says, and a stranger can read them."""

import numpy as np
import pytest
import xarray as xr

import minmax_jax as mm
from helpers.drawn import labelled
from helpers.refusal import refuses
from helpers.small import digits, lenet, run, train
from minmax_jax import plots


@pytest.fixture(scope="module")
def history():
    return run().history


def test_every_figure_is_labelled_and_can_be_drawn(history):
    report = mm.robustness(lenet(), digits(), [0, 0.1], attacks=["fgsm"], progress=False)
    for figure in (
        plots.minmax(history),
        plots.minmax(history, "conv2", "filter", "magnitude", "yager", 0),
        plots.fuzziness(history),
        plots.trajectories(history, "conv2"),
        plots.learning(history),
        plots.robustness(report),
        plots.robustness({"one": report, "other": report}),
        plots.strengths({0.0: history, 1.0: history}),
    ):
        assert labelled(figure)
        assert figure._repr_png_()[0].startswith(b"\x89PNG")


def test_lines_differ_in_more_than_colour(history):
    lines = plots.fuzziness(history).axes[0].lines
    assert len({line.get_linestyle() for line in lines}) == len({line.get_color() for line in lines}) == 4


def test_every_figure_names_its_run(history):
    for figure in (
        plots.minmax(history),
        plots.fuzziness(history),
        plots.trajectories(history),
        plots.learning(history),
        plots.strengths({0.0: history}),
    ):
        assert figure.get_supxlabel() == "digits, LeNet, seed 0, 10 steps of 128 images"


def test_a_run_stopped_at_its_start_can_be_drawn():
    history = train(progress=lambda now: True).history
    begun = history.isel(snapshot=[0], step=slice(0), epoch=slice(0))
    for figure in (
        plots.minmax(begun),
        plots.fuzziness(begun),
        plots.trajectories(begun),
        plots.learning(begun),
        plots.strengths({0.0: begun}),
    ):
        assert figure._repr_png_()


def test_histories_from_a_file_are_drawn_alike(history, tmp_path):
    history.to_netcdf(tmp_path / "history.nc")
    again = xr.load_dataset(tmp_path / "history.nc")
    assert plots.fuzziness(again)._repr_png_() == plots.fuzziness(history)._repr_png_()


def test_titles_say_by_which_reading_fuzziness_fell(history):
    course = history.fuzziness.copy()
    course[-1] = course[0]
    course.loc[{"reading": "fixed", "snapshot": 10}] -= 0.1
    figure = plots.fuzziness(history.assign(fuzziness=course))
    assert [ax.get_title() for ax in figure.axes] == [
        "conv1\nF ends lower by: fixed",
        "conv2\nF ends lower by: fixed",
    ]


@pytest.fixture(scope="module")
def report():
    return mm.robustness(run().model, digits(), [0, 0.02, 0.1], attacks=["fgsm", "noise"], progress=False)


def test_an_attack_to_choose_needs_several_models(report):
    with refuses("attack is 'pgd'; with one report it takes None"):
        plots.robustness(report, attack="pgd")


def test_robustness_lines_are_the_accuracies_and_the_worst_case_is_bold_with_its_interval(report):
    (ax,) = plots.robustness(report).axes
    for line, name in zip(ax.lines, report.attack.values, strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_ydata(), 100 * report.accuracy.sel(attack=name))
    *others, worst = ax.lines
    assert worst.get_linewidth() > max(line.get_linewidth() for line in others)
    (band,) = ax.collections
    ends = 100 * report.interval.sel(attack="worst")
    np.testing.assert_allclose(band.get_datalim(ax.transData).intervaly, [ends.min(), ends.max()])
    last = float(report.accuracy.sel(attack="worst", eps=0.1))
    assert ax.get_title() == f"{report.clean_accuracy:.1%} clean, {last:.1%} in the worst case at eps 0.1"


def test_several_reports_are_compared_by_one_attack_each_with_its_interval(report):
    (ax,) = plots.robustness({"one": report, "other": report}, attack="noise").axes
    assert [line.get_label() for line in ax.lines] == ["one", "other"] and len(ax.collections) == 2
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 100 * report.accuracy.sel(attack="noise"))
    assert ax.get_title() == "accuracy under noise"


def test_robustness_names_its_data_model_and_interval(report):
    assert plots.robustness(report).get_supxlabel() == (
        "digits, LeNet, 203 images, attack seed 0; band: 95% interval, 1000 resamples"
    )


def test_many_attacks_differ_in_more_than_colour(report):
    many = report.isel(attack=[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 2])
    many = many.assign_coords(attack=[*map(str, range(10)), "worst"])
    lines = plots.robustness(many).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 11


def test_reports_by_several_norms_are_not_compared(report):
    with refuses("reports are by the norms ['l2', 'linf']"):
        plots.robustness({"one": report, "other": report.assign_attrs(norm="l2")})
    assert "L2 radius" in plots.robustness(report.assign_attrs(norm="l2")).axes[0].get_xlabel()


def test_an_unknown_layer_is_named(history):
    with refuses("layer must be one of, got 'conv9'"):
        plots.minmax(history, "conv9")


def test_paths_of_no_weights_are_refused(history):
    with refuses("weights must be at least 1, got 0"):
        plots.trajectories(history, weights=0)
    with refuses("measure is 'foo'"):
        plots.fuzziness(history, measure="foo")
