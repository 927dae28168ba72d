"""Notebooks as pages that need nothing else."""

import re

import jupytext
import nbformat
import pytest

from helpers.offline import asked
from helpers.refusal import refuses
from minmax_jax.publish import pages

CELLS = """# %% [markdown]
# # A *small* notebook
#
# See [the other](other.ipynb) and $\\mu = \\tfrac{1}{2}$, or
#
# $$\\|w\\|_1 = a$$

# %%
import ipywidgets
import minmax_jax as mm
ipywidgets.IntSlider()

# %%
from matplotlib.figure import Figure
mm.widgets.Frames(lambda x: Figure(figsize=(1, 1), facecolor=str(x)), {"x": [0.1, 0.5]}, dpi=10)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, text in {"small": CELLS, "other": "# %% [markdown]\n# no heading"}.items():
        jupytext.write(jupytext.reads(text, "py:percent"), folder / f"{name}.ipynb")
    sources = [folder / "small.ipynb", folder / "other.ipynb"]
    return pages.export(sources, folder / "out")


def test_a_page_asks_nobody_for_anything(made):
    page = made[0].read_text("utf-8")
    assert asked(page) == []
    assert "cdn" not in page.lower()
    assert asked('<script async src="https://x.org/a.js"></script><p style="background: url(b.png)">') == [
        "https://x.org/a.js",
        "b.png",
    ]


def test_formulas_links_frames_and_widgets_are_seen_to(made):
    page = made[0].read_text("utf-8")
    assert page.count("<math") == 2 and "$" not in re.sub(r"(?s)<(script|style).*?</\1>", "", page)
    assert 'href="other.html"' in page
    assert 'type="range"' in page and "minmax-frames" in page
    assert page.count("explorer that needs a running notebook") == 1
    assert "widget-state" not in page


def test_the_index_leads_to_all(made):
    assert [file.name for file in made] == ["small.html", "other.html", "index.html"]
    index = made[-1].read_text("utf-8")
    assert (
        '<a href="small.html">A *small* notebook</a>' in index and '<a href="other.html">other</a>' in index
    )


def test_what_is_not_there_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="is not there; sources take notebooks"):
        pages.export([tmp_path / "nothing.ipynb"], tmp_path)
    with refuses("of different names"):
        pages.export([], tmp_path)
    assert pages.main([]) == 1 and "one notebook or more" in capsys.readouterr().err


def test_pages_of_notebooks_as_they_are(tmp_path, capsys):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(notebook, tmp_path / "broken.ipynb")
    assert pages.main([str(tmp_path / "broken.ipynb"), "--to", str(tmp_path), "--as-they-are"]) == 0
    assert "2 pages" in capsys.readouterr().out and (tmp_path / "broken.html").is_file()
