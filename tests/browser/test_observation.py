"""A reader opens the observation notebook, runs it, and plays with both explorers."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.drawn_ahead import FRAMES, PROBE, Reader, into_view, play, read_as_page
from browser.reader import Explorer, expect, note_latencies

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def notebook(open_and_run: Callable[[str], "Page"]) -> "Page":
    return open_and_run("1_observation.ipynb")


def test_time_slider_by_keyboard_and_mouse(notebook: "Page", screenshots: Path) -> None:
    explorer = Explorer(notebook, "training step")
    picture, step = explorer.settle(), explorer.readout.inner_text()
    explorer.press("ArrowLeft", times=3)
    picture = explorer.expect_change(picture)
    assert explorer.readout.inner_text() != step
    explorer.drag(-80)
    explorer.expect_change(picture)
    explorer.press("Home")
    explorer.measure("ArrowRight", "time", screenshots)


def test_each_dropdown_changes_the_picture(notebook: "Page", screenshots: Path) -> None:
    explorer = Explorer(notebook, "training step")
    picture = explorer.settle()
    for dropdown in ("layer", "reading", "membership", "measure"):
        explorer.choose_another(dropdown)
        picture = explorer.expect_change(picture)
        explorer.output.screenshot(path=screenshots / f"another_{dropdown}.png")
        explorer.measure_list(dropdown, dropdown, screenshots)
        picture = explorer.settle()


def test_frames_over_training(notebook: "Page", screenshots: Path) -> None:
    frames = notebook.locator(FRAMES).first
    into_view(frames)
    play(frames)
    note_latencies(frames.evaluate(PROBE), "time_frames", screenshots)
    frames.screenshot(path=screenshots / "time_frames.png")


def test_another_strength_trains_until_stopped(notebook: "Page") -> None:
    explorer = Explorer(notebook, "strength λ")
    picture, strength = explorer.settle(), explorer.readout.inner_text()
    explorer.press("ArrowRight")
    explorer.stop_once("Training at")
    assert explorer.readout.inner_text() != strength
    explorer.expect_change(picture)


@pytest.mark.parametrize("dropdown", ["λ reading", "λ membership", "λ measure"])
def test_another_form_trains_until_stopped(notebook: "Page", dropdown: str) -> None:
    explorer = Explorer(notebook, "strength λ")
    picture = explorer.settle()
    explorer.choose_another(dropdown)
    explorer.stop_once("Training at")
    explorer.expect_change(picture)


def test_train_then_stop(notebook: "Page") -> None:
    explorer = Explorer(notebook, "strength λ")
    explorer.button("Train").click()
    explorer.stop_once("Training at")
    assert not explorer.alert.count(), explorer.alert.all_inner_texts()


def test_a_training_that_ends_joins_the_comparison(notebook: "Page") -> None:
    explorer = Explorer(notebook, "strength λ")
    explorer.button("Train").click()
    expect(explorer.status).to_contain_text("Finished after step", timeout=300_000)
    strength = explorer.readout.inner_text()
    compared = explorer.output.locator("p", has_text="under PGD")
    expect(compared).to_contain_text(f"λ = {strength}:")
    assert not explorer.alert.count(), explorer.alert.all_inner_texts()


def test_its_page_lives_with_the_network_off(notebook: "Page", reader: Reader, tmp_path: Path) -> None:
    read_as_page(notebook, "1_observation", reader, tmp_path)
