"""The playground as an app; that it works in a browser is tested there."""

import os
from pathlib import Path

import jupytext
import pytest

from minmax_jax.publish import app

pytest.importorskip("voila")


@pytest.fixture
def launched(monkeypatch):
    """What Voila is started with: its arguments, its folders of templates, and the code it would show."""
    from voila.app import Voila
    from voila.paths import collect_template_paths

    seen = {}

    def launch(argv):
        seen["argv"] = argv
        seen["templates"] = collect_template_paths(["voila", "nbconvert"], app.NAME, prune=True)
        cells = jupytext.read(argv[0]).cells
        seen["code"] = [cell.source for cell in cells if cell.cell_type == "code"]

    monkeypatch.setattr(Voila, "launch_instance", launch)
    monkeypatch.setenv("JUPYTER_PATH", "elsewhere")
    return seen


def test_the_playground_is_served_alone_by_default(launched):
    assert app.main(["--port", "1234", "--no-browser", "--Voila.ip=127.0.0.1"]) == 0
    asked = ["--port=1234", "--no-browser", "--Voila.ip=127.0.0.1"]
    assert launched["argv"][1:] == [f"--template={app.NAME}", *asked]
    (code,) = launched["code"]
    assert "mm.widgets.Playground()" in code
    assert not Path(launched["argv"][0]).exists(), "what was served is cleared away"


def test_any_notebook_is_served(launched, tmp_path):
    jupytext.write(jupytext.reads("# %%\n1 + 1", "py:percent"), tmp_path / "mine.ipynb")
    assert app.main([str(tmp_path / "mine.ipynb")]) == 0
    assert launched["code"] == ["1 + 1"]


def test_its_template_comes_before_those_that_it_is_made_of(launched):
    app.main([])
    first, *rest = [Path(path).parts[-3:] for path in launched["templates"]]
    assert first == ("voila", "templates", app.NAME) and ("voila", "templates", "lab") in rest
    assert os.environ["JUPYTER_PATH"].endswith(os.pathsep + "elsewhere")


def test_a_notebook_that_is_not_there_is_named(launched, capsys):
    assert app.main(["nowhere.ipynb"]) == 1
    assert "nowhere.ipynb is not there" in capsys.readouterr().err and not launched
