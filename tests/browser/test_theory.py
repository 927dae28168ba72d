"""A reader opens the theory notebook, runs it, and slides the taps of a kernel."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.drawn_ahead import FRAMES, PROBE, Reader, into_view, play, read_as_page
from browser.reader import Explorer, note_latencies

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def notebook(open_and_run: Callable[[str], "Page"]) -> "Page":
    return open_and_run("2_theory.ipynb")


def test_a_tap_by_keyboard_and_mouse(notebook: "Page", screenshots: Path) -> None:
    explorer = Explorer(notebook, "w[0, 0]")
    picture, tap = explorer.settle(), explorer.readout.inner_text()
    explorer.output.screenshot(path=screenshots / "kernel.png")
    explorer.press("ArrowRight", times=3)
    picture = explorer.expect_change(picture)
    assert explorer.readout.inner_text() != tap
    explorer.drag(40)
    explorer.expect_change(picture)
    explorer.press("Home")
    explorer.measure("ArrowRight", "kernel", screenshots)


def test_the_tiles_of_a_convolution_by_keyboard(notebook: "Page", screenshots: Path) -> None:
    frames = notebook.locator(FRAMES).first
    into_view(frames)
    picture = frames.locator("img")
    before = picture.get_attribute("src")
    frames.locator("input[type=range]").press("ArrowRight")
    assert picture.get_attribute("src") != before and (picture.get_attribute("alt") or "").startswith(
        "tile 16: the patch x"
    )
    frames.screenshot(path=screenshots / "tiles.png")
    play(frames)
    note_latencies(frames.evaluate(PROBE), "tiles", screenshots)


def test_each_choice_changes_the_picture(notebook: "Page", screenshots: Path) -> None:
    explorer = Explorer(notebook, "w[0, 0]")
    picture = explorer.settle()
    for dropdown in ("membership", "measure"):
        explorer.choose_another(dropdown)
        picture = explorer.expect_change(picture)
        explorer.measure_list(dropdown, f"kernel_{dropdown}", screenshots)
        picture = explorer.settle()
    eps = Explorer(notebook, "eps")
    eps.press("ArrowRight", times=5)
    explorer.expect_change(picture)
    eps.measure("ArrowRight", "kernel_eps", screenshots)
    explorer.output.screenshot(path=screenshots / "another_kernel.png")


def test_its_page_lives_with_the_network_off(notebook: "Page", reader: Reader, tmp_path: Path) -> None:
    read_as_page(notebook, "2_theory", reader, tmp_path)
