"""What explorers cannot show or train, and the errors that say so."""

import matplotlib.figure
import numpy as np
import pytest
from flax import linen

import minmax_jax as mm
from helpers.made_up import penalties
from helpers.refusal import refuses
from helpers.small import digits, lenet, run, train

pytestmark = pytest.mark.versions

W = mm.widgets
FRAMES = W.Frames(lambda **_: matplotlib.figure.Figure((0.1, 0.1)), {"height": [1, 2, 4]}, dpi=10)


def frames(axes, start=None):
    return W.Frames(lambda **_: pytest.fail("nothing is to be drawn"), axes, start)


def coloured():
    part = mm.Split(np.zeros((3, 8, 8, 3), np.float32), np.arange(3))
    return mm.Dataset("coloured", part, part)


def strength(run, **options):
    return W.StrengthExplorer(lenet(), digits(), run, **options)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: frames({}), "axes must have one or more choices each"),
        (lambda: frames({"x": []}), "got {'x': 0}"),
        (lambda: frames({"x": range(501)}), "at most 500 pictures"),
        (lambda: frames({"x": [1]}, {"x": 2}), "start['x'] must be one of [1], got 2"),
        (lambda: frames({"x": [1]}, {"y": 1}), "start must name some of ['x'], got ['y']"),
        (lambda: FRAMES.frame(height=3), "height must be one of [1, 2, 4], got 3"),
        (lambda: FRAMES.caption(width=1), "choice must name some of ['height'], got ['width']"),
        (lambda: W.TimeFrames(run().history, most=1), "most must be at least 2, got 1"),
        (lambda: W.PenaltyExplorer(penalties(), reading="fixed"), "got ('fixed', 'entropy', 0.0)"),
        (lambda: W.DrawingField(0), "side must be in [1, 280], got 0"),
        (lambda: W.KernelExplorer(np.zeros(3)), "two axes and 1 to 25 taps, got the shape (3,)"),
        (lambda: W.KernelExplorer(np.zeros((6, 6))), "1 to 25 taps, got the shape (6, 6)"),
        (lambda: W.KernelExplorer(np.full((2, 2), np.nan)), "finite taps, got nan to nan"),
        (lambda: W.KernelExplorer(np.zeros((2, 2)), np.zeros((3, 3))), "shape, (3, 3), got (2, 2)"),
        (lambda: W.UnitExplorer(coloured()), "data must have images of one channel, got 3"),
        (lambda: W.Play(variant="large"), "got 'large'"),
        (lambda: W.Play(optimiser="lion"), "got 'lion'"),
        (lambda: W.Play(reading="whole"), "got 'whole'"),
        (lambda: W.Play(strength=float("nan")), "strength must be a finite number, got nan"),
        (lambda: W.Play(eps=-0.1), "got -0.1"),
        (lambda: W.Play(epochs=0), "epochs must be at least 1, got 0"),
        (lambda: W.Play(images=0), "images must be at least 1, got 0"),
        (lambda: W.Play(seed=-1), "seed must be in [0, 2147483647], got -1"),
        (lambda: strength(None, eps=1.5), "got 1.5"),
        (lambda: strength(None, attacked=0), "attacked must be at least 1, got 0"),
        (lambda: strength(run(), epochs=3), "a finished run with {'epochs': 3}, got one that was finished"),
        (lambda: strength(run(), objective=mm.Objective(l1=1.0)), "{'objective_l1': 0.0}"),
        (lambda: strength(train(progress=lambda now: now.step == 1)), "got one that was stopped"),
    ],
)
def test_what_cannot_be_shown_is_named(make, words):
    with refuses(words):
        make()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: W.FigureImage(matplotlib.figure.Figure()), "figure must be a minmax_jax.plots.style.Figure"),
        (lambda: W.Playground("mnist"), "start must be a minmax_jax.widgets.play.Play, got a str"),
        (lambda: W.Play(dataset=digits()), "dataset must be a str, got a Dataset"),
        (lambda: W.AttackExplorer(run().model, "mnist"), "data must be a minmax_jax.data.dataset.Dataset"),
        (lambda: W.AttackExplorer(linen.Dense(2), digits()), "give lambda x: module.apply(variables, x)"),
        (lambda: W.AttackExplorer("lenet", digits()), "model must be a callable, from images to logits"),
    ],
)
def test_other_types_are_named(make, words):
    with refuses(words, error=TypeError):
        make()
