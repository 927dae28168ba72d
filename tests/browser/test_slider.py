"""The browser test for everybody: a notebook is opened and run, and its slider answers."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from browser.reader import Explorer, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Page

NOTEBOOK = """# %%
import minmax_jax as mm

mm.widgets.KernelExplorer()
"""


def test_a_slider_moves_the_picture(open_and_run: Callable[[str], "Page"], tmp_path: Path) -> None:
    notebook = open_and_run(str(write_notebook(NOTEBOOK, tmp_path / "slider.ipynb")))
    explorer = Explorer(notebook, "w[0, 0]")
    picture, tap = explorer.settle(), explorer.readout.inner_text()
    explorer.press("ArrowRight", times=3)
    explorer.expect_change(picture)
    assert explorer.readout.inner_text() != tap
    assert (explorer.picture.get_attribute("title") or "").startswith("y is +2.00"), "the picture's name"
