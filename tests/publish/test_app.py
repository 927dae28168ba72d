"""The playground as an app; that it works in a browser is tested there."""

import os
from pathlib import Path

import jupytext
import pytest

from minmax_jax.publish import app

pytestmark = pytest.mark.versions

pytest.importorskip("voila")


@pytest.fixture
def launched(monkeypatch):
    """What Voila is started with: its arguments, its folders of templates, and the code it would show."""
    from voila.app import Voila
    from voila.paths import collect_template_paths

    seen = {}

    def launch(argv):
        seen["argv"] = argv
        seen["templates"] = [Path(path).parts[-3:] for path in collect_template_paths(["voila"], app.NAME)]
        seen["path"] = os.environ["JUPYTER_PATH"]
        cells = jupytext.read(argv[0]).cells
        seen["code"] = [cell.source for cell in cells if cell.cell_type == "code"]

    monkeypatch.setattr(Voila, "launch_instance", launch)
    return seen


@pytest.mark.parametrize("path", ["elsewhere", None])
def test_the_playground_is_served_alone_by_default(launched, monkeypatch, path):
    monkeypatch.delenv("JUPYTER_PATH", raising=False) if path is None else monkeypatch.setenv(
        "JUPYTER_PATH", path
    )
    assert app.main(["--port", "1234", "--no-browser", "--Voila.ip=127.0.0.1"]) == 0
    asked = ["--port=1234", "--no-browser", "--Voila.ip=127.0.0.1"]
    assert launched["argv"][1:] == [f"--template={app.NAME}", *asked]
    (code,) = launched["code"]
    assert "mm.widgets.Playground()" in code
    assert not Path(launched["argv"][0]).exists(), "what was served is cleared away"
    first, *rest = launched["templates"]  # its own comes before those that it is made of
    assert first == ("voila", "templates", app.NAME) and ("voila", "templates", "lab") in rest
    assert launched["path"].split(os.pathsep)[1:] == ([path] if path else [])
    assert os.environ.get("JUPYTER_PATH") == path, "is left as it was"


def test_any_notebook_is_served_that_exists(launched, tmp_path, capsys):
    jupytext.write(jupytext.reads("# %%\n1 + 1", "py:percent"), tmp_path / "mine.ipynb")
    assert app.main([str(tmp_path / "mine.ipynb")]) == 0
    assert launched.pop("code") == ["1 + 1"] and "--no-browser" not in launched["argv"]
    launched.clear()
    assert app.main(["nowhere.ipynb"]) == 1
    assert "nowhere.ipynb does not exist" in capsys.readouterr().err and not launched
