"""Figures of runs and reports: what stands on them is what the data say, and a stranger can read them."""

import numpy as np
import pytest
import xarray as xr

import minmax_jax as mm
from helpers.drawn import labelled
from helpers.refusal import unchecked
from helpers.small import digits, run
from minmax_jax import plots

pytestmark = pytest.mark.versions

DRAW = {
    "minmax": plots.minmax,
    "chosen": lambda history: plots.minmax(history, "conv2", "filter", "magnitude", "yager", 0),
    "fuzziness": plots.fuzziness,
    "trajectories": plots.trajectories,
    "learning": plots.learning,
    "strengths": lambda history: plots.strengths({0.0: history, 1.0: history}),
}


@pytest.fixture(scope="module")
def history():
    return run().history


@pytest.fixture(scope="module")
def report():
    return mm.robustness(run().model, digits(), [0, 0.02, 0.1], attacks=["fgsm", "noise"], progress=False)


@pytest.mark.parametrize("name", DRAW)
def test_figures_name_their_run_whole_or_stopped_at_its_start(name, history):
    figure = DRAW[name](history)
    assert labelled(figure) and figure._repr_png_()[0].startswith(b"\x89PNG")
    assert figure.get_supxlabel() == "digits, LeNet, seed 0, 10 steps of 128 images"
    begun = history.isel(snapshot=[0], step=slice(0), epoch=slice(0))
    assert DRAW[name](begun)._repr_png_()


def test_lines_differ_in_more_than_colour(history):
    lines = plots.fuzziness(history).axes[0].lines
    assert len({line.get_linestyle() for line in lines}) == len({line.get_color() for line in lines}) == 4


def test_histories_from_a_file_are_drawn_alike(history, tmp_path):
    history.to_netcdf(tmp_path / "history.nc")
    again = xr.load_dataset(tmp_path / "history.nc")
    assert plots.fuzziness(again)._repr_png_() == plots.fuzziness(history)._repr_png_()


def test_titles_say_by_which_reading_fuzziness_fell(history):
    course = history.fuzziness.copy()
    course[-1] = course[0]
    course.loc[{"reading": "fixed", "snapshot": 10}] -= 0.1
    figure = plots.fuzziness(history.assign(fuzziness=course))
    assert [ax.get_title() for ax in figure.axes] == [f"conv{i}\nF ends lower by: fixed" for i in (1, 2)]


def test_paths_are_those_of_the_weights_that_moved_farthest(history):
    (ax,) = plots.trajectories(history, "conv2", weights=3).axes
    paths = history.kernel_conv2.values.reshape(11, -1)
    farthest = np.argsort(np.abs(paths[-1] - paths[0]))[-3:]
    np.testing.assert_array_equal([line.get_ydata() for line in ax.lines[:3]], paths[:, farthest].T)
    outward = np.mean(np.abs(paths[-1]) > np.abs(paths[0]))
    assert ax.get_title() == f"conv2: {outward:.0%} of all weights end larger in magnitude"
    with unchecked():
        (again,) = plots.trajectories(history, "conv2", weights=np.uint8(3)).axes
    assert len(again.lines) == len(ax.lines)


@pytest.mark.slow
def test_the_worst_case_is_bold_with_its_interval(report):
    figure = plots.robustness(report)
    assert labelled(figure) and figure.get_supxlabel() == (
        "digits, LeNet, 203 images, attack seed 0; band: 95% interval, 1000 resamples"
    )
    (ax,) = figure.axes
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
    assert "L2 radius" in plots.robustness(report.assign_attrs(norm="l2")).axes[0].get_xlabel()


@pytest.mark.slow
def test_several_reports_are_compared_by_one_attack(report):
    (ax,) = plots.robustness({"one": report, "other": report}, attack="noise").axes
    assert [line.get_label() for line in ax.lines] == ["one", "other"] and len(ax.collections) == 2
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 100 * report.accuracy.sel(attack="noise"))
    assert ax.get_title() == "accuracy under noise"
    (ax,) = plots.robustness({"one": report}).axes
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 100 * report.accuracy.sel(attack="worst"))


@pytest.mark.slow
def test_many_attacks_differ_in_more_than_colour(report):
    many = report.isel(attack=[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 2])
    many = many.assign_coords(attack=[*map(str, range(10)), "worst"])
    lines = plots.robustness(many).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 11
