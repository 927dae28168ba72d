"""Frames drawn ahead: quick, reachable by keys, alive with the kernel stopped, and on a page of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import jupytext
import pytest

from browser.reader import SCROLL_TO_CELL, note_latencies, wait_until
from browser.watched import watched_page
from minmax_jax import pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

# From a move of the slider to the frame after its picture is decoded, over all its places.
PROBE = """async root => {
  const slider = root.querySelector("input[type=range]"), picture = root.querySelector("img");
  const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
  const times = [];
  for (let i = 0; i < 40; i++) {
    slider.value = i % (+slider.max + 1);
    const start = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await picture.decode();
    await frame();
    times.push(performance.now() - start);
  }
  return times;
}"""


def play(frames: "Locator") -> None:
    """Move the slider by keys and choose from the list: the picture and its words change each time."""
    picture, words = frames.locator("img"), frames.locator("p")

    def seen() -> tuple[str | None, str | None, str]:
        return picture.get_attribute("src"), picture.get_attribute("alt"), words.inner_text()

    slider, chooser = frames.locator("input[type=range]").first, frames.locator("select").first
    for change in (lambda: slider.press("ArrowLeft"), lambda: slider.press("Home"), None):
        before = seen()
        if change is None:
            chooser.select_option(index=1)
        else:
            change()
        after = seen()
        assert all(new != old for new, old in zip(after, before, strict=True))
        assert after[1] == after[2]
    assert slider.get_attribute("aria-valuetext")


@pytest.mark.parametrize("name", ["3_robustness"])
def test_frames_work_with_the_kernel_stopped(
    open_and_run: Callable[[str], "Page"], name: str, screenshots: Path
) -> None:
    notebook = open_and_run(f"{name}.ipynb")
    frames = notebook.locator(".minmax-frames").first
    wait_until(lambda: _in_view(frames), "the frames do not come into view")
    notebook.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    play(frames)
    note_latencies(frames.evaluate(PROBE), name, screenshots)
    frames.screenshot(path=screenshots / f"frames_{name}.png")


NOTEBOOK = """# %% [markdown]
# # By itself: $\\mu = \\tfrac{1}{2}$

# %%
from matplotlib.figure import Figure
import minmax_jax as mm
axes = {"x": [0.1, 0.2, 0.5], "colour": ["red", "blue"]}
mm.widgets.Frames(lambda x, colour: Figure((2, 1 + x), facecolor=colour), axes, {"x": 0.5})
"""


def test_pages_live_with_the_network_off(
    browser: "Browser", tmp_path: Path, screenshots: Path, lab: object
) -> None:
    jupytext.write(jupytext.reads(NOTEBOOK, "py:percent"), tmp_path / "small.ipynb")
    made = pages.export([tmp_path / "small.ipynb"], tmp_path)
    with watched_page(browser, "file:", offline=True) as (page, watch):
        page.goto(made[0].as_uri())
        frames = page.locator(".minmax-frames").first
        play(frames)
        note_latencies(frames.evaluate(PROBE), "page", screenshots)
        page.screenshot(path=screenshots / "page.png")
        assert page.locator("math").count() == 1
        assert not watch.errors and not watch.elsewhere, watch


def _in_view(frames: "Locator") -> bool:
    frames.evaluate(SCROLL_TO_CELL)
    return frames.is_visible()
