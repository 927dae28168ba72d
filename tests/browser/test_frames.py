"""Frames drawn ahead on a page of their own, with formulas, and no network."""

from pathlib import Path
from typing import TYPE_CHECKING

import jupytext
import pytest

from browser.drawn_ahead import FRAMES, play
from browser.watched import watched_page
from minmax_jax.publish import pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

NOTEBOOK = """# %% [markdown]
# # By itself: $\\mu = \\tfrac{1}{2}$

# %%
from matplotlib.figure import Figure
import minmax_jax as mm
axes = {"x": [0.1, 0.2, 0.5], "colour": ["red", "blue"]}
mm.widgets.Frames(lambda x, colour: Figure((2, 1 + x), facecolor=colour), axes, {"x": 0.5})
"""


def test_a_notebook_becomes_a_page_that_lives_with_the_network_off(
    browser: "Browser", tmp_path: Path, screenshots: Path
) -> None:
    jupytext.write(jupytext.reads(NOTEBOOK, "py:percent"), tmp_path / "small.ipynb")
    made = pages.export([tmp_path / "small.ipynb"], tmp_path)
    with watched_page(browser, "file:", offline=True) as (page, watch):
        page.goto(made[0].as_uri())
        play(page.locator(FRAMES).first)
        page.screenshot(path=screenshots / "page.png")
        assert page.locator("math").count() == 1
        page.set_viewport_size({"width": 1920, "height": 900})
        widths = page.locator("h1, p").evaluate_all("all => all.map(one => one.clientWidth)")
        assert max(widths) <= 45 * 16, "a line is easy to read"
        page.set_viewport_size({"width": 640, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= 640
        assert not watch.errors and not watch.elsewhere, watch
