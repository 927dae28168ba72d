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
from tqdm.auto import tqdm
for _ in tqdm(range(3)):
    pass
ipywidgets.IntSlider()

# %%
mm.widgets.KernelExplorer()

# %%
from matplotlib.figure import Figure
mm.widgets.Frames(lambda x: Figure(figsize=(1, 1), facecolor=str(x)), {"x": [0.1, 0.5]}, dpi=10)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, text in {"small": CELLS, "other": "# %% [markdown]\n# no heading"}.items():
        jupytext.write(jupytext.reads(text, "py:percent"), folder / f"{name}.ipynb")
    (folder / "results").mkdir()
    (folder / "results" / "README.md").write_text("# Found\n\n[there](../small.ipynb#there)", "utf-8")
    files = pages.export([folder / "small.ipynb", folder / "other.ipynb"], folder / "out")
    assert [file.name for file in files] == ["small.html", "other.html", "findings.html", "index.html"]
    return {file.stem: file.read_text("utf-8") for file in files}


def words(page):
    """A page without its pictures, whose bytes may happen to say anything."""
    return re.sub(r"[A-Za-z0-9+/=]{80,}", "", page)


@pytest.mark.slow
@pytest.mark.processes
def test_a_page_asks_nobody_and_shows_all_there_is(made):
    page = made["small"]
    assert asked(page) == [] and "cdn" not in words(page).lower()
    assert page.count("<math") == 2 and "$" not in re.sub(r"(?s)<(script|style).*?</\1>", "", page)
    assert 'href="other.html"' in page
    assert 'type="range"' in page and "minmax-frames" in page
    assert page.count("explorer that needs a running notebook") == 1 and "widget-state" not in page
    assert '<a href="small.html">A *small* notebook</a>' in made["index"]
    assert '<a href="other.html">other</a>' in made["index"]


@pytest.mark.slow
@pytest.mark.processes
def test_pages_lead_to_each_other(made):
    link = re.compile(r'<a href="(\w+)\.html"(?: rel="(\w+)")?')
    links = {name: link.findall(page.split("</nav>")[0]) for name, page in made.items()}
    assert links["small"] == [("index", ""), ("findings", ""), ("other", "next")]
    assert links["other"] == [("small", "prev"), ("index", ""), ("findings", ""), ("findings", "next")]
    assert links["findings"] == [("other", "prev"), ("index", "")]
    assert 'href="small.html#there"' in made["findings"]
    assert all(asked(page) == [] for page in made.values())


@pytest.mark.slow
@pytest.mark.processes
def test_an_explorer_leaves_its_picture_and_a_bar_nothing(made):
    page = words(made["small"])
    assert "0/3" not in page
    assert page.count('alt="y is +2.00') == 1 and page.count("In a running notebook") == 1


def test_what_is_asked_elsewhere_is_found():
    page = '<script async src="https://x.org/a.js"></script><p style="background: url(b.png)">'
    assert asked(page) == ["https://x.org/a.js", "b.png"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "sources must be one notebook or more"),
        (("nothing",), "nothing.ipynb does not exist"),
        (("broken", "broken"), "of different names"),
        (("index",), "none 'index' or 'findings', got ['index']"),
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
