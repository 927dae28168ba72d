"""What figures cannot be drawn of, and the errors that say so."""

import numpy as np
import pytest

import minmax_jax as mm
from helpers.made_up import penalties
from helpers.refusal import refuses
from helpers.small import digits, run
from minmax_jax import plots
from minmax_jax.plots.kernel_view import KernelView
from minmax_jax.plots.minmax_view import MinMaxView
from minmax_jax.plots.penalty_view import PenaltyView
from minmax_jax.plots.training_view import TrainingView
from minmax_jax.study.design.arm import Arm

KERNEL, IMAGE = np.ones((3, 3, 1, 2), np.float32), np.ones((9, 10, 1), np.float32)


@pytest.fixture(scope="module")
def given():
    """A history, a table of arms, and reports by two norms."""
    report = mm.robustness(run().model, digits(), [0, 0.1], attacks=["fgsm"], progress=False)
    return run().history, penalties(), {"one": report, "other": report.assign_attrs(norm="l2")}


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda h, t, r: plots.minmax(h, "conv9"), "layer must be one of ('conv1', 'conv2'), got 'conv9'"),
        (lambda h, t, r: plots.trajectories(h, weights=0), "weights must be at least 1, got 0"),
        (lambda h, t, r: plots.fuzziness(h, measure="foo"), "measure must be one of"),
        (lambda h, t, r: MinMaxView().show(h, "conv1", measure="foo"), "got 'foo'"),
        (lambda h, t, r: MinMaxView().show(h, "conv1", snapshot=99), "snapshot must be in [-11, 10], got 99"),
        (lambda h, t, r: plots.strengths({}), "results must hold at least one history, got none"),
        (lambda h, t, r: plots.robustness(r["one"], "pgd"), "attack must be None with one report"),
        (lambda h, t, r: plots.robustness(r), "reports must be by one norm, got ['l2', 'linf']"),
        (lambda h, t, r: TrainingView().show(dict.fromkeys("abc", h)), "at most 2 runs, got 3"),
        (lambda h, t, r: KernelView(np.ones((2, 2))).show(np.ones((3, 3))), "shape, (2, 2), got (3, 3)"),
        (lambda h, t, r: plots.tile(KERNEL, IMAGE, (2, 3), -1), "place must be in [0, 11]"),
        (lambda h, t, r: plots.tile(KERNEL, IMAGE, (2, 3), 12), "that many tiles, got 12"),
        (lambda h, t, r: plots.strength_curves(t, eps=0.15), "of [0.05, 0.1, 0.2, 0.3], got 0.15"),
        (lambda h, t, r: plots.network(t, "many"), "arm must be one of ['none',"),
        (lambda h, t, r: PenaltyView(t).show(Arm("l2", 1.0)), "got 'l2 1'"),
        (lambda h, t, r: PenaltyView(t, seed=9), "seed must be one of [0, 1, 2], got 9"),
        (lambda h, t, r: plots.drift(t, seed=9), "seed must be one of [0, 1, 2], got 9"),
    ],
)
def test_what_cannot_be_drawn_is_named(given, draw, words):
    with refuses(words):
        draw(*given)
