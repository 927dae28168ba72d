"""Explorers that train, under a person's hands: what was learned is shown and kept, whatever happens."""

import io
import threading
from dataclasses import replace

import ipywidgets
import jax
import numpy as np
import optax
import pytest
import xarray as xr
from flax import nnx

import minmax_jax as mm
from helpers.exploring import inside, offered, sendable, until
from helpers.small import digits, lenet, run, same_weights, train
from minmax_jax.widgets import Play, Playground, StrengthExplorer
from minmax_jax.widgets.play import PRESETS, PlayForm, preset_of
from minmax_jax.widgets.playground import UNSAVED

START = Play(epochs=1, images=1280)
LONG = Play(epochs=20, images=12_800)  # long enough to do something meanwhile


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """As if Fashion-MNIST were prepared here; it is not read."""
    description = tmp_path / "fashion_mnist/3.0.1/dataset_info.json"
    description.parent.mkdir(parents=True)
    description.touch()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))


def start_and_wait(explorer):
    explorer.job.start()
    explorer.wait()


# A choice


def test_a_choice_becomes_arguments_of_fit():
    chosen = Play(strength=10.0, reading="fixed", membership="magnitude", measure="linear", eps=0.2, seed=3)
    training = chosen.training()
    objective = training["objective"]
    assert (objective.strength, objective.reading, objective.membership) == (10.0, "fixed", "magnitude")
    assert objective.measure == "linear" and objective.defence.eps == 0.2
    assert (training["epochs"], training["seed"]) == (2, 3)
    assert isinstance(training["optimiser"], optax.GradientTransformation)
    assert Play().training()["objective"] == mm.Objective()


def test_its_name_and_identity_are_of_what_matters():
    assert Play().name == "mnist modern adam, 2 epochs, seed 0"
    told = Play(strength=-3.0, eps=0.1, epochs=1, seed=4, optimiser="sgd").name
    words = "λ -3 layer signed entropy, adversarial training at eps 0.1"
    assert told == f"mnist modern sgd, {words}, 1 epoch, seed 4"
    told = Play(term="units", strength=100.0, made=True, defence="trades", eps=0.3).name
    assert "first convolution by hand, fuzziness of units 100, TRADES at eps 0.3" in told
    assert Play(reading="fixed", measure="yager").trained == Play()
    assert Play(reading="fixed", strength=1.0).trained != Play(strength=1.0).trained
    assert Play(term="l2", defence="trades").trained == Play(), "neither has a strength"
    units = Play(term="units", strength=100.0)
    assert replace(units, optimiser="sgd", reading="fixed").trained == units.trained


def test_presets_are_what_they_say_and_are_known_again():
    form = PlayForm(Play(seed=3))
    assert form.preset.value == "plain"
    for name in PRESETS:
        form.preset.value = name
        assert form.preset.value == name == preset_of(form.choice) and form.choice.seed == 3
    assert form.choice.defence == "trades" and form.choice.eps == 0.3
    form.controls["strength"].value = 30.0
    assert form.preset.value == "own settings" and form.choice.defence == "trades"
    form.preset.value = "crisp by a term"
    (term,) = form.choice.training()["objective"].terms
    assert term == mm.terms.UnitFuzziness(100.0, ["conv1"], temperature=0.3)
    defended = [Play(**PRESETS[name]).training()["objective"].defence for name in ("TRADES", "L2")]
    assert isinstance(defended[0], mm.defences.TRADES) and defended[1] is None


def test_a_convolution_made_by_hand_stays_as_it_is():
    chosen = Play(made=True, variant="classic", epochs=1)
    model, data = chosen.model(digits()), digits()
    assert float(mm.minmax.effective_taps(np.asarray(model.conv1.kernel[...])[None])[0]) == 1
    training = chosen.training()
    learned = mm.fit(model, data, **training, snapshots=2, progress=False).model
    np.testing.assert_array_equal(learned.conv1.kernel[...], model.conv1.kernel[...])
    assert not np.array_equal(learned.conv2.kernel[...], model.conv2.kernel[...])
    assert replace(chosen, seed=1).training()["optimiser"] is training["optimiser"]


def test_data_and_model_are_those_of_the_choice():
    chosen = Play(images=500, variant="classic", seed=2)
    data = chosen.data()
    assert (len(data.train), len(data.test), data.name) == (500, 10_000, "mnist-500")
    assert Play().data().name == "mnist"
    model, twin = chosen.model(data), mm.LeNet(variant="classic", rngs=nnx.Rngs(2))
    same = jax.tree.map(np.array_equal, nnx.state(model), nnx.state(twin))
    assert all(jax.tree.leaves(same)) and model.variant == "classic"


@pytest.mark.slow
def test_a_rehearsal_ends_with_the_first_steps():
    Play(epochs=5000, images=640).rehearse(digits())  # which would take minutes


def test_data_are_offered_where_they_are_prepared_and_told_of_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    form = PlayForm(Play())
    assert form.controls["dataset"].options == ("mnist",)
    assert any("python -m minmax_jax.data fashion_mnist" in getattr(one, "value", "") for one in inside(form))


def test_the_form_begins_with_a_choice_and_every_control_changes_it(prepared):
    start = Play("kmnist", "classic", "sgd", "fixed", "magnitude", "yager", 7.0, 0.15, 30, 1000, 5)
    assert PlayForm(start).choice == start
    form = PlayForm(start)
    assert list(form.controls["dataset"].options) == ["mnist", "fashion_mnist", "kmnist"]
    assert not any("prepared" in one.value for one in inside(form) if isinstance(one, ipywidgets.HTML))
    form, seen = PlayForm(Play()), Play()
    other = Play("fashion_mnist", "classic", "sgd", "fixed", "magnitude", "yager", 30.0, 0.1, 3, 60_000, 5)
    for field, control in form.controls.items():
        control.value = getattr(other, field)
        seen = replace(seen, **{field: getattr(other, field)})
        assert form.choice == seen
    assert seen == other


# The playground


@pytest.fixture(scope="module")
def trained():
    """A playground with a finished run."""
    found = Playground(START)
    found.wait()
    assert found.keep.disabled and found.save.disabled and UNSAVED not in found._dom_classes
    assert {found.studied.figure, found.status, found.job, found.form} <= set(inside(found))
    assert sendable(found)
    found.offer()
    found.keep_run()
    assert found.downloads.value == "" and not found.kept, "there is nothing yet"
    start_and_wait(found)
    return found


def test_training_is_shown_and_what_is_learned_is_attacked(trained):
    assert "Finished after step 10." in trained.job.status.value
    caption = trained.figure.caption.value
    assert "this run: 10 steps" in caption and "Under PGD: this run" in caption
    assert trained.newest.under.attrs["images"] == 200 and trained.name.value == "plain"
    assert trained.shown.value == f"<b>this run: {START.name}</b>" and trained.stale.value == ""
    assert "taken for" in trained.attack.figure.caption.value
    assert trained.attacked.value == f"<b>Attack this run: {START.name}</b>"
    assert trained.figure in inside(trained) and trained.studied.figure not in inside(trained)
    assert UNSAVED in trained._dom_classes
    twin = mm.fit(START.model(START.data()), START.data(), progress=False, **START.training())
    np.testing.assert_array_equal(twin.history.loss, trained.run.history.loss)


def test_a_figure_of_another_choice_is_marked(trained):
    trained.form.controls["strength"].value = 30.0
    assert "controls have changed" in trained.stale.value
    trained.form.controls["strength"].value = 0.0
    assert trained.stale.value == ""
    before = trained.figure.image.value
    trained.form.controls["membership"].value = "magnitude"  # by which fuzziness is shown at once
    trained.wait()
    assert trained.figure.image.value != before and trained.stale.value == ""
    trained.form.controls["membership"].value = "signed"
    trained.wait()
    assert trained.figure.image.value == before


def test_what_is_saved_opens_again_and_an_error_is_told_until_then(trained, tmp_path):
    trained.run.history.attrs["unfit"] = object()
    trained.save.click()
    assert 'role="alert"' in trained.told.value and trained.downloads.value == ""
    trained.form.controls["measure"].value = "linear"  # is drawn, and leaves the error
    trained.wait()
    assert 'role="alert"' in trained.told.value and trained.status.value == ""
    del trained.run.history.attrs["unfit"]
    trained.save.click()
    files = offered(trained.downloads)
    assert trained.told.value == "" and set(files) == {"figure.png", "history.nc", "weights.npz"}
    assert files["figure.png"].startswith(b"\x89PNG")
    history = xr.load_dataset(io.BytesIO(files["history.nc"]), engine="scipy")
    np.testing.assert_array_equal(history.loss, trained.run.history.loss)
    (tmp_path / "weights.npz").write_bytes(files["weights.npz"])
    assert same_weights(mm.open(tmp_path / "weights.npz"), trained.run.model)


@pytest.mark.slow
def test_a_kept_run_is_compared_with_the_next(trained):
    first = trained.run
    trained.keep.click()
    trained.name.value = "<b>mine"
    trained.keep.click()
    assert list(trained.kept) == ["plain", "<b>mine"] and trained.kept["plain"] is trained.newest
    trained.keep.click()
    assert list(trained.kept)[2:] == ["<b>mine 2"]
    trained.forget.click()
    trained.beside.value = "plain"
    trained.form.controls["seed"].value = 1
    start_and_wait(trained)
    caption = trained.figure.caption.value
    assert "plain: 10 steps" in caption and caption.count("% at 0.05") == 3
    assert f"plain: {START.name}" in trained.shown.value and "seed 1" in trained.shown.value
    assert trained.run is not first and trained.downloads.value == "", "links of another run"
    trained.network.value = "<b>mine"
    assert trained.attacked.value == f"<b>Attack &lt;b&gt;mine: {START.name}</b>"
    trained.network.value = "the study's network"
    assert "TRADES" in trained.attacked.value and trained.attack.model is trained.studied.model
    trained.network.value = "this run"
    assert "seed 1" in trained.attacked.value


@pytest.mark.slow
def test_no_more_runs_are_kept_than_are_drawn(trained):
    for _ in range(9):
        trained.keep.click()
    assert len(trained.kept) == 7 and "at most 7 runs are kept" in trained.told.value
    while trained.kept:
        trained.forget.click()
    assert trained.beside.value == "none" and trained.forget.disabled and trained.told.value == ""


@pytest.mark.slow
def test_links_are_offered_of_the_newest_run_alone(trained, monkeypatch):
    def slowly(model, file):
        start_and_wait(trained)  # a training ends meanwhile
        mm.save(model, file)

    monkeypatch.setattr("minmax_jax.widgets.trial.save", slowly)
    trained.save.click()
    assert trained.downloads.value == "" and trained.told.value == ""


@pytest.mark.slow
def test_meanwhile_name_and_figure_agree_and_save_is_of_the_last_run():
    found = Playground(LONG)
    found.job.start()
    until(lambda: "this run:" in found.figure.caption.value)
    found.job.stop()
    found.wait()
    last = found.run
    assert last.outcome == "stopped" and "Stopped after step" in found.job.status.value
    assert 0 < last.history.sizes["step"] < 2000
    found.keep.click()
    found.form.controls["seed"].value = 7
    found.job.start()
    assert "seed 0" in found.shown.value, "until there is another to show"
    until(lambda: f"<b>this run: {replace(LONG, seed=7).name}" in found.shown.value)
    found.form.controls["measure"].value = "linear"
    found.save.click()
    assert f"plain: {LONG.name}" in found.shown.value and found.job.running
    saved = xr.load_dataset(io.BytesIO(offered(found.downloads)["history.nc"]), engine="scipy")
    np.testing.assert_array_equal(saved.loss, last.history.loss)
    found.job.stop()
    found.wait()
    assert found.downloads.value == "" and found.run is not last, "the links were of another run"
    assert found.stale.value == "" and found.status.value == ""


@pytest.mark.slow
def test_errors_are_shown_in_words_and_what_was_learned_is_kept():
    found = Playground(replace(START, dataset="no_such_data", optimiser="sgd", strength=1e30))
    start_and_wait(found)
    assert 'role="alert"' in found.job.status.value and "no_such_data" in found.job.status.value
    assert found.run is None and not found.job.start_button.disabled
    found.form.controls["dataset"].value = "mnist"
    start_and_wait(found)
    assert "Diverged:" in found.job.status.value and found.run.outcome == "diverged"
    found.form.controls["dataset"].value = "no_such_data"
    start_and_wait(found)
    assert "no_such_data" in found.job.status.value
    assert "mnist modern" in found.shown.value and "no_such_data" not in found.shown.value
    assert "controls have changed" in found.stale.value


def test_training_can_be_stopped_while_data_are_loaded():
    found = Playground(START)

    def stop(change):
        if "Loading mnist…" in change["new"]:
            found.job.stop()

    found.job.status.observe(stop, "value")
    start_and_wait(found)
    assert "Stopped before the first step." in found.job.status.value and found.run is None


@pytest.mark.slow
def test_shown_it_makes_ready_once_and_training_waits_for_that(monkeypatch):
    rehearsals, may = [], threading.Event()

    def rehearse(play, data):
        rehearsals.append((play, len(data.train)))
        assert may.wait(60)
        raise RuntimeError("what goes wrong in a rehearsal is of no account")

    monkeypatch.setattr(Play, "rehearse", rehearse)
    found = Playground(START)
    for _ in range(2):
        assert found._repr_mimebundle_()
    found.job.start()
    with pytest.raises(TimeoutError):
        found.job.wait(timeout=1)
    found.job.stop()
    found.job.wait(timeout=30)
    assert "Stopped before the first step." in found.job.status.value and found.run is None
    may.set()
    start_and_wait(found)
    assert found.run.outcome == "finished" and rehearsals == [(START, 1280)]
    assert found._repr_mimebundle_() and len(rehearsals) == 1


def test_data_that_might_be_downloaded_are_left_until_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(Play, "data", asked.append)
    found = Playground(Play(dataset="kmnist"))
    assert found._repr_mimebundle_()
    until(lambda: all(thread.name != "ready" for thread in threading.enumerate()))
    assert {play.dataset for play in asked} <= {"mnist"}


def test_a_network_of_the_study_is_there_until_the_first_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # it is found from any folder
    found = Playground(START)
    assert "most robust network: 2.9 effective taps" in found.studied.figure.caption.value
    assert "mnist modern adam, TRADES at eps 0.34, 30 epochs, seed 0" in found.shown.value
    assert found._repr_mimebundle_()
    until(lambda: found.attack is not None)
    found.attack.wait()
    assert "taken for" in found.attack.figure.caption.value and found.run is None


@pytest.mark.parametrize("damaged", [False, True])
def test_without_a_result_of_the_study_it_says_so_and_begins_empty(tmp_path, monkeypatch, damaged):
    monkeypatch.setattr("minmax_jax.widgets.studied.PLACES", [tmp_path])
    if damaged:
        (tmp_path / "robust.nc").write_bytes(b"no table")
    found = Playground(START)
    assert ("robust.nc" if damaged else "no result of the study is here") in found.shown.value
    assert found.figure in inside(found) and "press Train" in found.figure.caption.value
    assert found.network.options == ("this run",) and found.attack is None


def test_a_number_that_cannot_be_used_is_told_and_not_trained_with():
    found = Playground(START)
    found.form.controls["epochs"].value = 50
    assert "epochs must be in [1, 20], got 50" in found.form.wrong.value
    assert found.form.controls["epochs"].value == 50, "what was typed stays"
    start_and_wait(found)
    assert "epochs must be in [1, 20], got 50" in found.job.status.value and found.run is None
    found.form.controls["seed"].value = 0.5
    found.form.controls["epochs"].value = 1
    assert "seed must be a whole number, got 0.5" in found.form.wrong.value
    found.form.preset.value = "L2"  # leaves the seed
    assert found.form.wrong.value and found.form.controls["term"].value == "l2"
    found.form.controls["seed"].value = 0
    assert found.form.wrong.value == "" and found.form.choice.epochs == 2, "that of the preset"
    assert found.form.preset.value == "L2" and found.status.value == ""


# The explorer over strength


@pytest.fixture(scope="module")
def explorer():
    found = StrengthExplorer(lenet(), digits(), run(), attacked=20)
    found.wait()
    assert sendable(found)
    return found


@pytest.mark.slow
def test_strength_begins_with_the_given_run(explorer):
    assert explorer.strength.value == 0
    assert "λ = 0" in explorer.shown.value and "step 10" in explorer.shown.value
    assert list(explorer.runs) == [mm.Objective()] and explorer.status.value == ""
    assert explorer.options == {"epochs": 2, "batch_size": 128, "seed": 0, "snapshots": 11}


@pytest.mark.slow
def test_a_move_trains_as_fit_would_and_is_compared(explorer):
    before = bytes(explorer.comparison.image.value)
    explorer.strength.value = 30.0
    explorer.wait()
    kept = explorer.runs[mm.Objective(strength=30.0)]
    assert same_weights(kept.model, train(objective=mm.Objective(strength=30.0)).model)
    assert "λ = 30" in explorer.shown.value and "Finished after step 10" in explorer.job.status.value
    assert bytes(explorer.comparison.image.value) != before
    assert "λ = 0:" in explorer.comparison.caption.value and "λ = 30:" in explorer.comparison.caption.value
    under = mm.robustness(kept.model, digits().test[:20], [0.1], attacks=["pgd"], progress=False)
    accuracy = float(under.accuracy.sel(attack="pgd", eps=0.1))
    assert float(kept.history.robust_accuracy) == pytest.approx(accuracy)


@pytest.mark.slow
def test_a_known_choice_is_shown_without_training(explorer):
    moved = []
    explorer.job.bar.observe(moved.append, "value")
    explorer.strength.value = 0.0
    explorer.wait()
    assert "λ = 0<" in explorer.shown.value
    explorer.measure.value = "linear"  # makes no difference without strength
    explorer.wait()
    assert "λ = 0<" in explorer.shown.value and not moved
    explorer.measure.value = "entropy"


@pytest.mark.slow
def test_another_measure_trains_too(explorer):
    explorer.strength.value = 30.0
    explorer.measure.value = "quadratic"
    explorer.wait()
    assert mm.Objective(strength=30.0, measure="quadratic") in explorer.runs
    assert "quadratic" in explorer.shown.value
    assert "λ = 0:" in explorer.comparison.caption.value and "λ = 30:" in explorer.comparison.caption.value


@pytest.mark.slow
def test_stop_keeps_what_was_learned_but_does_not_compare_it():
    explorer = StrengthExplorer(lenet(), digits(), run(), attacked=20)
    explorer.job.bar.observe(lambda change: change["new"] and explorer.job.stop(), "value")
    explorer.strength.value = 10.0
    explorer.wait()
    assert "λ = 10" in explorer.shown.value and "stopped after step 1" in explorer.shown.value
    assert "Stopped after step 1" in explorer.job.status.value
    assert mm.Objective(strength=10.0) not in explorer.runs
    assert explorer.run.history.sizes["step"] == 1


@pytest.mark.slow
def test_going_back_while_it_trains_shows_what_the_slider_says():
    """The run that is cut short must not be shown over the one that was chosen."""
    explorer = StrengthExplorer(lenet(), digits(), run(), attacked=20)

    def go_back(change):
        if "Training at λ = 1:" in change["new"]:
            explorer.strength.value = 0.0

    explorer.job.status.observe(go_back, "value")
    explorer.strength.value = 1.0
    explorer.wait()
    assert "λ = 0<" in explorer.shown.value and explorer.run is explorer.runs[mm.Objective()]


@pytest.mark.slow
def test_divergence_is_told_and_the_last_good_weights_are_shown():
    wild = StrengthExplorer(lenet(), digits(), run(), attacked=10, optimiser=optax.sgd(1e30))
    wild.strength.value = 1.0
    wild.wait()
    assert 'role="alert"' in wild.job.status.value and "Diverged" in wild.job.status.value
    assert "diverged after step 0" in wild.shown.value


@pytest.mark.slow
def test_without_a_run_it_trains_one_at_strength_zero():
    explorer = StrengthExplorer(lenet(), digits(), attacked=10, epochs=2, snapshots=11)
    explorer.wait()
    assert list(explorer.runs) == [mm.Objective()]
    assert explorer.time is not None and np.isfinite(explorer.time.history.loss).all()


@pytest.mark.slow
def test_strength_begins_with_the_strength_and_form_of_its_run():
    objective = mm.Objective(strength=0.125, measure="quadratic", l2=1e-4)
    rest = mm.Objective(l2=1e-4)
    explorer = StrengthExplorer(lenet(), digits(), train(objective=objective), objective=rest, attacked=10)
    explorer.wait()
    assert explorer.choice == objective == next(iter(explorer.runs))
    assert explorer.strength.value == 0.125 and explorer.measure.value == "quadratic"
