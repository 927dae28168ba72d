"""The playground under a person's hands, without a browser."""

import base64
import io
import re
import threading

import numpy as np
import pytest
import xarray as xr

import minmax_jax as mm
from helpers.refusal import refuses
from minmax_jax.training import Diverged
from minmax_jax.training.progress import Progress
from minmax_jax.widgets import playground
from minmax_jax.widgets.play import Play

START = Play(epochs=1, images=1280)


@pytest.fixture(scope="module")
def trained():
    """A playground with a finished run."""
    found = mm.widgets.Playground(START)
    found.job.start()
    found.wait()
    return found


def test_training_is_shown_and_what_is_learned_is_attacked(trained):
    assert "Finished after step 10." in trained.job.status.value
    assert "this run: 10 steps" in trained.figure.caption.value
    assert trained.shown.value == f"<b>this run: {START.name}</b>"
    assert "taken for" in trained.attack.figure.caption.value
    assert trained.attacked.value == f"<b>Attack this run: {START.name}</b>"
    twin = mm.fit(START.model(START.data()), START.data(), progress=False, **START.training())
    np.testing.assert_array_equal(twin.history.loss, trained.run.history.loss)


def test_the_first_picture_asks_to_train():
    fresh = mm.widgets.Playground(START)
    fresh.wait()
    assert "press Train" in fresh.figure.caption.value and fresh.keep.disabled and fresh.save.disabled
    fresh.offer()
    fresh.keep_run()
    assert fresh.downloads.value == "" and fresh.kept is None


def test_a_figure_of_another_choice_is_marked(trained):
    trained.form.controls["strength"].value = 30.0
    assert "controls have changed" in trained.stale.value
    trained.form.controls["strength"].value = 0.0
    assert trained.stale.value == ""
    before = trained.figure.image.value
    trained.form.controls["membership"].value = "magnitude"  # fuzziness is shown by it at once
    trained.wait()
    assert trained.figure.image.value != before
    trained.form.controls["membership"].value = "signed"
    trained.wait()


def test_what_is_saved_opens_again(trained, tmp_path):
    trained.save.click()
    found = re.findall(r'download="([^"]+)" href="data:[^,]+,([^"]+)"', trained.downloads.value)
    files = {name: base64.b64decode(text) for name, text in found}
    assert set(files) == {"figure.png", "history.nc", "weights.npz"}
    assert files["figure.png"].startswith(b"\x89PNG")
    history = xr.load_dataset(io.BytesIO(files["history.nc"]), engine="scipy")
    np.testing.assert_array_equal(history.loss, trained.run.history.loss)
    (tmp_path / "weights.npz").write_bytes(files["weights.npz"])
    kernel = mm.open(tmp_path / "weights.npz").conv1.kernel
    np.testing.assert_array_equal(kernel[...], trained.run.model.conv1.kernel[...])


def test_a_kept_run_is_compared_with_the_next(trained):
    trained.keep.click()
    assert trained.kept == (START, trained.run)
    trained.form.controls["seed"].value = 1
    trained.job.start()
    trained.wait()
    assert "kept run: 10 steps" in trained.figure.caption.value
    assert f"kept run: {START.name}" in trained.shown.value and "seed 1" in trained.shown.value


def test_while_another_is_trained_name_and_figure_agree_and_save_is_of_the_last(trained, monkeypatch):
    last, first = trained.run, trained.play
    seen = []

    def half(model, data, *, progress, **_):
        """A training in whose middle a person keeps, saves and changes a control."""
        assert trained.shown.value.startswith(f"<b>this run: {first.name}")  # until there is another to show
        progress(Progress(3, 10, 1, 1, 0.5, None, lambda: last.history.isel(step=slice(0, 3))))
        trained.keep.click()
        trained.save.click()
        trained.form.controls["measure"].value = "linear"
        trained._worker.flush()
        seen.extend([trained.shown.value, trained.figure.caption.value, trained.downloads.value])
        return mm.Run(last.model, last.history, "finished")

    monkeypatch.setattr(playground, "fit", half)
    trained.form.controls["seed"].value = 7
    trained.job.start()
    trained.wait()
    shown, caption, downloads = seen
    assert "<b>this run: mnist modern adam, 1 epoch, seed 7" in shown and "this run: 3 steps" in caption
    assert f"kept run: {first.name}" in shown
    history = re.search(r'download="history.nc" href="data:[^,]+,([^"]+)"', downloads).group(1)
    saved = xr.load_dataset(io.BytesIO(base64.b64decode(history)), engine="scipy")
    assert saved.sizes["step"] == last.history.sizes["step"] == 10
    assert trained.downloads.value == "", "links of another run"
    assert trained.stale.value == "" and trained.status.value == ""


def test_stopping_keeps_what_was_learned():
    found = mm.widgets.Playground(Play(epochs=20, images=12_800))
    found.job.bar.observe(lambda _: found.job.stop(), "value")
    found.job.start()
    found.wait()
    assert found.run.outcome == "stopped" and "Stopped after step" in found.job.status.value
    assert 0 < found.run.history.sizes["step"] < 2000


def test_an_error_is_shown_in_words_and_what_was_learned_is_kept(trained, monkeypatch):
    def diverge(*_, **__):
        raise Diverged("too far", trained.run)

    def fail(*_, **__):
        raise ConnectionError("no data")

    found = mm.widgets.Playground(START)
    monkeypatch.setattr(playground, "fit", diverge)
    found.job.start()
    found.wait()
    assert "Diverged: too far" in found.job.status.value
    assert found.run is trained.run and not found.job.start_button.disabled
    monkeypatch.setattr(playground.Play, "data", fail)
    found.form.controls["dataset"].value = "fashion_mnist"
    found.job.start()
    found.wait()
    assert "ConnectionError: no data" in found.job.status.value
    assert "mnist modern" in found.shown.value and "fashion" not in found.shown.value
    assert "controls have changed" in found.stale.value


def test_an_error_in_drawing_is_shown_and_the_figure_marked(trained, monkeypatch):
    monkeypatch.setattr(trained._view, "show", lambda *_: 1 / 0)
    trained.keep_run()
    trained.wait()
    assert "ZeroDivisionError" in trained.status.value
    assert "an earlier choice: this run: 10 steps" in trained.figure.caption.value
    monkeypatch.undo()
    trained.keep_run()
    trained.wait()
    assert trained.status.value == "" and "earlier" not in trained.figure.caption.value


def test_another_data_set_can_be_where_it_begins():
    fresh = mm.widgets.Playground(Play(dataset="kmnist"))
    fresh.wait()
    assert fresh.form.choice.dataset == "kmnist"
    assert list(fresh.form.controls["dataset"].options) == ["mnist", "fashion_mnist", "kmnist"]


def test_training_can_be_stopped_while_it_makes_ready(monkeypatch):
    may = threading.Event()
    monkeypatch.setattr(Play, "rehearse", lambda *_: may.wait(60))
    monkeypatch.setattr(playground, "fit", lambda *_, **__: pytest.fail("it was stopped"))
    shown = mm.widgets.Playground(START)
    assert shown._repr_mimebundle_()
    shown.job.start()
    shown.job.stop()
    shown.job.wait(timeout=30)
    may.set()
    assert "Stopped before the first step." in shown.job.status.value and shown.run is None


def test_training_can_be_stopped_while_data_are_loaded(monkeypatch):
    shown, said, whole = mm.widgets.Playground(START), [], START.data()

    def load(_):
        said.append(shown.job.status.value)
        shown.job.stop()
        return whole

    monkeypatch.setattr(Play, "data", load)
    monkeypatch.setattr(playground, "fit", lambda *_, **__: pytest.fail("it was stopped"))
    shown.job.start()
    shown.job.wait(timeout=30)
    assert "Loading mnist…" in said[0] and "Stopped before the first step." in shown.job.status.value


def test_links_to_files_are_of_the_newest_run(trained, monkeypatch):
    newer = mm.Run(trained.run.model, trained.run.history, "finished")

    def slowly(*_):
        trained._take(trained.play, newer, START.data())  # a training ends meanwhile
        return b"x"

    monkeypatch.setattr(playground, "save", lambda _, file: file.write_bytes(slowly()))
    trained.offer()
    assert trained.downloads.value == ""
    trained.wait()


def test_an_error_in_saving_is_shown_until_the_next_one(trained, monkeypatch):
    monkeypatch.setattr(playground, "save", lambda *_: 1 / 0)
    trained.save.click()
    trained._show()
    trained.wait()
    assert "ZeroDivisionError" in trained.told.value and trained.status.value == ""
    monkeypatch.undo()
    trained.save.click()
    assert trained.told.value == "" and "weights.npz" in trained.downloads.value


def test_what_it_begins_with_is_a_play():
    with refuses("start must be a minmax_jax.widgets.play.Play, got a str", error=TypeError):
        mm.widgets.Playground("mnist")


def test_data_that_might_be_downloaded_are_left_until_they_are_asked_for(monkeypatch):
    monkeypatch.setattr(Play, "data", lambda _: pytest.fail("nobody has asked for it"))
    shown = mm.widgets.Playground(Play(dataset="kmnist"))
    assert shown._repr_mimebundle_()
    shown._ready.join(30)
    assert not shown._ready.is_alive() and shown._data == {}


def test_shown_it_makes_ready_once_and_training_waits_for_that(monkeypatch):
    events, may = [], threading.Event()

    def rehearse(play, data):
        events.append(("ready", play, len(data.train)))
        assert may.wait(60)
        raise RuntimeError("what goes wrong in a rehearsal is of no account")

    monkeypatch.setattr(Play, "rehearse", rehearse)
    monkeypatch.setattr(playground, "fit", lambda *_, **__: events.append("trained") or 1 / 0)
    shown = mm.widgets.Playground(START)
    for _ in range(2):
        assert shown._repr_mimebundle_()
    shown.job.start()
    with pytest.raises(TimeoutError):
        shown.job.wait(timeout=1)
    may.set()
    shown.job.wait()
    assert events == [("ready", START, 1280), "trained"] and "rehearsal" not in shown.job.status.value
