"""The notebooks: paired, clean, short to read, and running from top to bottom."""

import ast
import re
import shutil
import statistics
from pathlib import Path

import jupytext
import nbformat
import pytest

from helpers.offline import asked
from minmax_jax.publish import pages

pytestmark = pytest.mark.versions

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))

FASTEST = "2_theory"  # which a newcomer's test run goes through, too

every_notebook = pytest.mark.parametrize("name", NAMES)
# (The slow tests in the browser run every notebook, too, and look for complaints.)
run_by_everybody = [pytest.param(name, marks=[] if name == FASTEST else pytest.mark.long) for name in NAMES]


def read(name: str, suffix: str) -> nbformat.NotebookNode:
    return jupytext.read(NOTEBOOKS / f"{name}{suffix}")


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def code_lines(cell: nbformat.NotebookNode) -> list[str]:
    return [line for line in cell.source.splitlines() if line.strip()]


# Pairs


def content(notebook: nbformat.NotebookNode) -> list[tuple[str, str, list[str]]]:
    """What the two files of a pair must share, whatever their times say."""
    return [
        (cell.cell_type, cell.source.rstrip(), sorted(cell.metadata.get("tags", [])))
        for cell in notebook.cells
    ]


def test_every_notebook_has_its_pair() -> None:
    scripts = [path.stem for path in NOTEBOOKS.glob("*.py") if "# %%" in path.read_text("utf-8")]
    assert NAMES, "no notebooks"
    assert sorted(scripts) == NAMES


@every_notebook
def test_pair_holds_the_same_cells(name: str) -> None:
    assert content(read(name, ".ipynb")) == content(read(name, ".py"))


@every_notebook
def test_pair_is_as_jupyterlab_saves_it(name: str) -> None:
    notebook = read(name, ".ipynb")
    assert jupytext.writes(notebook, "py:percent") == (NOTEBOOKS / f"{name}.py").read_text("utf-8")


# What is committed


def is_static(output: nbformat.NotebookNode) -> bool:
    """A figure, a text or a table, which needs nothing to run."""
    if output.output_type == "stream":
        return output.name == "stdout"
    data = output.get("data", {})
    kinds = {"image/png", "text/plain", "text/html", "text/markdown"}
    return set(data) <= kinds and "<script" not in data.get("text/html", "")


@every_notebook
def test_stored_notebook_is_clean(name: str) -> None:
    notebook = read(name, ".ipynb")
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"jupytext", "kernelspec", "language_info"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}, cell.source
    for cell in code_cells(notebook):
        assert cell.execution_count is None, cell.source
        for output in cell.outputs:
            assert is_static(output), f"not a static output, below: {cell.source}"
            assert output.get("execution_count") is None, cell.source


@every_notebook
@pytest.mark.parametrize("suffix", [".ipynb", ".py"])
def test_kernel_is_named(name: str, suffix: str) -> None:
    # Without it JupyterLab asks the reader which kernel to take.
    assert read(name, suffix).metadata.kernelspec.name == "python3"


# How it reads


@every_notebook
def test_cells_are_short(name: str) -> None:
    lengths = [len(code_lines(cell)) for cell in code_cells(read(name, ".py"))]
    assert statistics.median(lengths) <= 5, lengths
    assert max(lengths) <= 20, lengths


@every_notebook
def test_prose_and_code_are_balanced(name: str) -> None:
    notebook = read(name, ".py")
    prose = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    words = re.findall(r"\w[\w'’-]*", prose)
    lines = [line for cell in code_cells(notebook) for line in code_lines(cell)]
    ratio = len(words) / len(lines)
    assert 8 <= ratio <= 15, f"{ratio:.1f} words of prose for a line of code"


OPENED = {"1_observation": ["step", "loss"]}  # the training step, which readers are shown from inside


@every_notebook
def test_functions_live_in_the_package(name: str) -> None:
    defined = []
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for cell in code_cells(read(name, ".py")):
        tree = ast.parse("\n".join(line for line in code_lines(cell) if line[0] not in "%!"))
        defined += [node.name for node in ast.walk(tree) if isinstance(node, definitions)]
    assert defined == OPENED.get(name, [])


# Running


@pytest.mark.notebook
@pytest.mark.parametrize("name", run_by_everybody)
def test_runs_from_top_to_bottom(name: str, tmp_path: Path) -> None:
    folder = shutil.copytree(NOTEBOOKS, tmp_path / "notebooks")
    notebook = pages.execute(jupytext.read(folder / f"{name}.py"), folder)  # raises where a cell raises
    for cell in code_cells(notebook):
        complaints = [output.text for output in cell.outputs if output.get("name") == "stderr"]
        assert not complaints, f"{cell.source}\n{''.join(complaints)}"


@every_notebook
def test_as_a_page_it_needs_nobody_and_is_more_than_text(name: str) -> None:
    page = pages.page(jupytext.read(NOTEBOOKS / f"{name}.ipynb"), name)  # with the outputs that are stored
    assert asked(page) == []
    assert page.count("<img") > 2
    assert "No description has been provided" not in page, "every picture has words for who cannot see it"
