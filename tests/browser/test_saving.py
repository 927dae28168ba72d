"""A reader opens a notebook, runs nothing, and saves: git sees no change."""

import platform
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.conftest import NOTEBOOKS, SHUT_DOWN, Lab
from browser.reader import KERNEL_IS_IDLE, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

COMMIT = ["-c", "user.name=reader", "-c", "user.email=", "commit", "--quiet", "--message=as it came"]


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def repository(lab: Lab) -> Path:
    """The notebooks, with the settings of their pairs, in a repository of their own."""
    folder = lab.folder / "repository"
    # What experiments wrote is not for JupyterLab to change.
    shutil.copytree(NOTEBOOKS, folder / "notebooks", ignore=shutil.ignore_patterns("results", ".*"))
    for settings in ("pyproject.toml", ".gitignore"):
        shutil.copy(NOTEBOOKS.parent / settings, folder)
    for notebook in (folder / "notebooks").glob("*.ipynb"):  # the one thing that readers do not share
        text = notebook.read_text("utf-8")
        mine = re.sub(r'("version": ")3\.[^"]+', rf"\g<1>{platform.python_version()}", text)
        notebook.write_text(mine, "utf-8")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, *COMMIT)
    return folder


@pytest.mark.parametrize("name", sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")))
def test_opening_and_saving_changes_nothing(page: "Page", lab: Lab, repository: Path, name: str) -> None:
    place = repository.relative_to(lab.folder) / "notebooks" / name
    page.goto(f"{lab.address}/doc/tree/{place}.ipynb?token={lab.token}&reset", wait_until="domcontentloaded")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
    wait_until(lambda: page.evaluate(KERNEL_IS_IDLE), "the kernel is not ready", 90)
    script, begun = lab.folder / f"{place}.py", time.time()
    page.keyboard.press("Control+s")
    wait_until(lambda: script.stat().st_mtime >= begun, "the notebook is not saved")
    page.evaluate(SHUT_DOWN)
    assert git(repository, "diff") == ""
    assert git(repository, "status", "--short") == ""
