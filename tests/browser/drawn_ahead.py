"""What a reader does with frames drawn ahead, in a notebook and on its page."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from browser.conftest import Lab
from browser.reader import SCROLL_TO_CELL, note_latencies, wait_until
from browser.watched import watched_page
from minmax_jax.publish import pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

FRAMES = ".minmax-frames"
# From a move of the slider, or of the first list, to the frame after its picture is decoded, over all places.
PROBE = """async root => {
  const control = root.querySelector("input[type=range]") ?? root.querySelector("select");
  const places = control.options?.length ?? +control.max + 1, picture = root.querySelector("img");
  const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
  const times = [];
  for (let i = 0; i < 40; i++) {
    control.value = i % places;
    const start = performance.now();
    control.dispatchEvent(new Event("input", { bubbles: true }));
    await picture.decode();
    await frame();
    times.push(performance.now() - start);
  }
  return times;
}"""
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"


class Reader(NamedTuple):
    """A browser, where it keeps screenshots, and the JupyterLab whose notebooks it reads."""

    browser: "Browser"
    screenshots: Path
    lab: Lab


def play(frames: "Locator") -> None:
    """Move the first slider by keys and choose from each list: the picture and its words change each time."""
    picture, words = frames.locator("img"), frames.locator("p")
    sliders = frames.locator("input[type=range]").all()[:1]

    def seen() -> tuple[str | None, str | None, str]:
        return picture.get_attribute("src"), picture.get_attribute("alt"), words.inner_text()

    changes: list[Callable[[], object]] = []
    for slider in sliders:
        slider.press("Home")
        changes += [lambda key=key, slider=slider: slider.press(key) for key in ("End", "ArrowLeft", "Home")]  # type: ignore[misc]
    for one in frames.locator("select").all():
        other = (one.evaluate("list => list.selectedIndex") + 1) % one.locator("option").count()
        changes.append(lambda one=one, other=other: one.select_option(index=other))  # type: ignore[misc]
    for change in changes:
        before = seen()
        change()
        after = seen()
        assert all(new != old for new, old in zip(after, before, strict=True)), (before[1:], after[1:])
        assert after[1] == after[2]
    assert all(slider.get_attribute("aria-valuetext") for slider in sliders)


def into_view(frames: "Locator") -> None:
    """Scroll a notebook to frames."""
    wait_until(lambda: frames.evaluate(SCROLL_TO_CELL) or frames.is_visible(), "no frames come into view")


def read_as_page(notebook: "Page", name: str, reader: Reader, folder: Path) -> None:
    """Make a page of a notebook as it is in JupyterLab now, and play with it, the network off."""
    source, begun = reader.lab.folder / f"{name}.ipynb", time.time()
    notebook.evaluate(SAVE)
    wait_until(lambda: source.stat().st_mtime >= begun, "the notebook is not saved")
    made = pages.export([source], folder, run=False)
    with watched_page(reader.browser, "file:", offline=True) as (page, watch):
        page.goto(made[0].as_uri())
        found = page.locator(FRAMES)
        assert found.count(), "a page without frames has nothing to play with"
        for i, frames in enumerate(found.all()):
            frames.scroll_into_view_if_needed()
            play(frames)
            note_latencies(frames.evaluate(PROBE), f"page_{name}_{i}", reader.screenshots)
        page.screenshot(path=reader.screenshots / f"page_{name}.png")
        assert not watch.errors and not watch.elsewhere, watch
