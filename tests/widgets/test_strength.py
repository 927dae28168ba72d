"""The explorer over strength: a move trains, a known choice is shown at once, Stop keeps what was learned."""

import numpy as np
import optax
import pytest

import minmax_jax as mm
from helpers import small
from helpers.refusal import refuses
from helpers.small import digits, lenet, same_weights, train
from minmax_jax.training import Diverged
from minmax_jax.widgets import strength


@pytest.fixture(scope="module")
def run():
    return small.run()


@pytest.fixture
def explorer(run):
    explorer = mm.widgets.StrengthExplorer(lenet(), digits(), run, attacked=20)
    explorer.wait()
    return explorer


def test_it_begins_with_the_given_run(explorer, run):
    assert explorer.strength.value == 0
    assert "λ = 0" in explorer.shown.value and "step 10" in explorer.shown.value
    assert list(explorer.runs) == [mm.Objective()]
    assert explorer.options == {"epochs": 2, "batch_size": 128, "seed": 0, "snapshots": 11}


def test_a_move_trains_as_fit_would(explorer):
    before = bytes(explorer.comparison.image.value)
    explorer.strength.value = 30.0
    explorer.wait()
    kept = explorer.runs[mm.Objective(strength=30.0)]
    expected = train(objective=mm.Objective(strength=30.0))
    assert same_weights(kept.model, expected.model)
    assert "λ = 30" in explorer.shown.value and "Finished after step 10" in explorer.job.status.value
    assert bytes(explorer.comparison.image.value) != before
    assert "λ = 0:" in explorer.comparison.caption.value and "λ = 30:" in explorer.comparison.caption.value
    under = mm.robustness(kept.model, digits().test[:20], [0.1], attacks=["pgd"], progress=False)
    assert float(kept.history.robust_accuracy) == pytest.approx(
        float(under.accuracy.sel(attack="pgd", eps=0.1))
    )


def test_a_known_choice_is_shown_without_training(explorer, monkeypatch):
    explorer.strength.value = 3.0
    explorer.wait()
    monkeypatch.setattr(explorer.job, "start", lambda: pytest.fail("trained again"))
    explorer.strength.value = 0.0
    explorer.wait()
    assert "λ = 0<" in explorer.shown.value
    explorer.measure.value = "linear"  # makes no difference without strength
    explorer.wait()
    assert "λ = 0<" in explorer.shown.value
    assert len(explorer.runs) == 2


def test_another_measure_trains_too(explorer):
    explorer.strength.value = 3.0
    explorer.wait()
    explorer.measure.value = "quadratic"
    explorer.wait()
    assert mm.Objective(strength=3.0, measure="quadratic") in explorer.runs
    assert "quadratic" in explorer.shown.value


def test_stop_keeps_what_was_learned_but_does_not_compare_it(explorer, monkeypatch):
    report = explorer.job._report

    def stop_at_once(done, total, message):
        explorer.job.stop()
        return report(done, total, message)

    monkeypatch.setattr(explorer.job, "_report", stop_at_once)
    explorer.strength.value = 10.0
    explorer.wait()
    assert "λ = 10" in explorer.shown.value and "stopped after step 1" in explorer.shown.value
    assert "Stopped after step 1" in explorer.job.status.value
    assert mm.Objective(strength=10.0) not in explorer.runs
    assert explorer.run.history.sizes["step"] == 1  # what was learned can be had


def test_divergence_is_told_and_the_last_good_weights_are_shown(run):
    wild = mm.widgets.StrengthExplorer(lenet(), digits(), run, attacked=10, optimiser=optax.sgd(1e30))
    wild.strength.value = 1.0
    wild.wait()
    assert 'role="alert"' in wild.job.status.value and "Diverged" in wild.job.status.value
    assert "diverged after step 0" in wild.shown.value


def test_a_divergence_does_not_take_the_place_of_what_was_chosen_meanwhile(run, monkeypatch):
    explorer = mm.widgets.StrengthExplorer(lenet(), digits(), run, attacked=10)

    def diverge(*_, **__):
        explorer.strength.value = 0.0  # known, and shown at once
        raise Diverged("too far", run)

    monkeypatch.setattr(strength, "fit", diverge)
    shown = explorer.shown.value
    explorer.strength.value = 30.0
    explorer.wait()
    assert explorer.shown.value == shown and "Diverged: too far" in explorer.job.status.value


def test_without_a_run_it_trains_one_at_strength_zero():
    explorer = mm.widgets.StrengthExplorer(lenet(), digits(), attacked=10, epochs=2, snapshots=11)
    explorer.wait()
    assert list(explorer.runs) == [mm.Objective()]
    assert explorer.time is not None and np.isfinite(explorer.time.history.loss).all()


def test_going_back_while_it_trains_shows_what_the_slider_says(explorer, monkeypatch):
    """The run that is cut short must not be shown over the one that was chosen."""
    report = explorer.job._report

    def go_back(done, total, message):
        explorer.strength.value = 0.0
        return report(done, total, message)

    monkeypatch.setattr(explorer.job, "_report", go_back)
    explorer.strength.value = 1.0
    explorer.wait()
    assert "λ = 0<" in explorer.shown.value and explorer.run is explorer.runs[mm.Objective()]


def test_it_begins_with_the_strength_and_form_of_its_run():
    objective = mm.Objective(strength=0.125, measure="quadratic", l2=1e-4)
    begun = train(objective=objective)
    explorer = mm.widgets.StrengthExplorer(
        lenet(), digits(), begun, objective=mm.Objective(l2=1e-4), attacked=10
    )
    explorer.wait()
    assert explorer.choice == objective == next(iter(explorer.runs))
    assert explorer.strength.value == 0.125 and explorer.measure.value == "quadratic"


def test_a_run_of_another_objective_or_other_options_is_refused(run):
    with refuses("run was finished with {'epochs': 2}", "{'epochs': 3}"):
        mm.widgets.StrengthExplorer(lenet(), digits(), run, epochs=3)
    with refuses("'objective_l1': 0.0", "'objective_l1': 1.0"):
        mm.widgets.StrengthExplorer(lenet(), digits(), run, objective=mm.Objective(l1=1.0))
    short = train(progress=lambda now: now.step == 1)
    with refuses("run was stopped", "it takes a finished run"):
        mm.widgets.StrengthExplorer(lenet(), digits(), short)
