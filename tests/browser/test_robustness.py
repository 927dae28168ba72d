"""A reader opens the robustness notebook, attacks a network, and slides over penalties."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.drawn_ahead import FRAMES, PROBE, Reader, into_view, play, read_as_page
from browser.reader import Explorer, note_latencies

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

NAME = "3_robustness"


@pytest.fixture(scope="module")
def notebook(open_and_run: Callable[[str], "Page"]) -> "Page":
    return open_and_run(f"{NAME}.ipynb")


def test_each_control_attacks_anew(notebook: "Page", screenshots: Path) -> None:
    explorer = Explorer(notebook, "number")
    picture = explorer.settle()
    explorer.press("ArrowRight")
    picture = explorer.expect_change(picture)
    Explorer(notebook, "eps").press("ArrowLeft", times=3)
    picture = explorer.expect_change(picture)
    for dropdown in ("attack", "image"):
        explorer.choose_another(dropdown)
        picture = explorer.expect_change(picture)
    explorer.choose_another("image")
    explorer.expect_change(picture)
    explorer.press("Home")
    explorer.measure("ArrowRight", "attack", screenshots)
    explorer.measure_list("attack", "attacks", screenshots, times=11)  # each once to compile, and again
    Explorer(notebook, "eps").measure("ArrowRight", "attack_eps", screenshots)
    explorer.output.screenshot(path=screenshots / "attack.png")


def test_its_page_lives_with_the_network_off(notebook: "Page", reader: Reader, tmp_path: Path) -> None:
    read_as_page(notebook, NAME, reader, tmp_path)


@pytest.mark.parametrize(("place", "name"), [(0, "transplants"), (1, "penalties")])
def test_frames_with_the_kernel_stopped(notebook: "Page", screenshots: Path, place: int, name: str) -> None:
    frames = notebook.locator(FRAMES).nth(place)
    into_view(frames)
    notebook.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    play(frames)
    note_latencies(frames.evaluate(PROBE), name, screenshots)
    frames.screenshot(path=screenshots / f"{name}.png")
