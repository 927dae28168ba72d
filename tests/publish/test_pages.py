"""Notebooks as pages that need nothing else."""

import re

import jupytext
import nbformat
import pytest

from helpers.offline import asked
from minmax_jax.publish import pages

pytestmark = pytest.mark.versions

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
    files = pages.export([folder / "small.ipynb", folder / "other.ipynb"], folder / "out")
    assert [file.name for file in files] == ["small.html", "other.html", "index.html"]
    return {file.stem: file.read_text("utf-8") for file in files}


@pytest.mark.slow
@pytest.mark.processes
def test_a_page_asks_nobody_and_shows_all_there_is(made):
    page = made["small"]
    assert asked(page) == [] and "cdn" not in page.lower()
    assert page.count("<math") == 2 and "$" not in re.sub(r"(?s)<(script|style).*?</\1>", "", page)
    assert 'href="other.html"' in page
    assert 'type="range"' in page and "minmax-frames" in page
    assert page.count("explorer that needs a running notebook") == 1 and "widget-state" not in page
    assert '<a href="small.html">A *small* notebook</a>' in made["index"]
    assert '<a href="other.html">other</a>' in made["index"]


def test_what_is_asked_elsewhere_is_found():
    page = '<script async src="https://x.org/a.js"></script><p style="background: url(b.png)">'
    assert asked(page) == ["https://x.org/a.js", "b.png"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "sources must be one notebook or more"),
        (("nothing",), "nothing.ipynb does not exist"),
        (("broken", "broken"), "of different names"),
        (("index",), "none 'index', got ['index']"),
    ],
)
def test_unfit_sources_are_named(tmp_path, capsys, monkeypatch, names, words):
    monkeypatch.chdir(tmp_path)
    for name in ("broken", "index"):
        nbformat.write(nbformat.v4.new_notebook(), f"{name}.ipynb")
    if not names:
        monkeypatch.chdir("/")
    assert pages.main([f"{name}.ipynb" for name in names]) == 1
    assert words in capsys.readouterr().err and not (tmp_path / "pages").exists()


def test_pages_of_notebooks_as_they_are(tmp_path, capsys):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(notebook, tmp_path / "broken.ipynb")
    assert pages.main([str(tmp_path / "broken.ipynb"), "--to", str(tmp_path), "--as-they-are"]) == 0
    assert "2 pages" in capsys.readouterr().out and (tmp_path / "broken.html").is_file()
