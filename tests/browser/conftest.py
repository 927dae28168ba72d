"""One JupyterLab and one headless Chromium for all browser tests, in folders of their own."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from browser.watched import Watch, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from browser.drawn_ahead import Reader
    from browser.firefox import Firefox

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    # Keeps Chromium itself from looking for updates, and every page on this machine.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
SHUT_DOWN = """async () => {
  await window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown();
}"""
NO_NEWS = '{"fetchNews": "false", "checkForUpdates": false, "doNotDisturbMode": true}'


class Lab(NamedTuple):
    """Where JupyterLab answers, the word that lets a test in, and the folder it shows."""

    address: str
    token: str
    folder: Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    if not CHROMIUM:
        pytest.skip("Chromium is not installed; the variable CHROMIUM may name its binary")
    return CHROMIUM


@pytest.fixture(scope="session")
def lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("lab")
    folder = shutil.copytree(NOTEBOOKS, home / "notebooks")
    address, token = f"http://127.0.0.1:{free_port()}", secrets.token_hex(16)
    log = home / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command(folder, address),
            env=environment(home, token),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for_answer(server, address, log)
            yield Lab(address, token, folder)
        finally:
            end(server)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def command(folder: Path, address: str) -> list[str]:
    return [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        f"--port={address.rsplit(':')[-1]}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True",  # lets a test ask whether the kernel is idle
    ]


def environment(home: Path, token: str) -> dict[str, str]:
    news = home / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text(NO_NEWS)
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    own = {name: str(home / folder) for name, folder in folders.items()}
    return os.environ | own | {"JUPYTER_TOKEN": token}


def wait_for_answer(server: subprocess.Popen[bytes], address: str, log: Path, path: str = "/api") -> None:
    limit = time.monotonic() + 90
    while True:
        assert server.poll() is None and time.monotonic() < limit, log.read_text()[-3000:]
        with contextlib.suppress(OSError):
            urllib.request.urlopen(address + path, timeout=2).close()
            return
        time.sleep(0.1)


def end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


# Closed before other files of tests: Playwright keeps an event loop, in which no test could start its own.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    # Chromium's sandbox refuses to run for root.
    flags = [*FLAGS, "--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else FLAGS
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator["Firefox"]:
    from browser.firefox import Firefox

    binary = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
    if not binary:
        pytest.skip("Firefox is not installed; the variable FIREFOX may name its binary")
    found = Firefox(binary, tmp_path)
    yield found
    found.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wished = os.environ.get("MINMAX_JAX_SCREENSHOTS")
    folder = Path(wished) if wished else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="package")
def reader(browser: "Browser", lab: Lab, screenshots: Path) -> "Reader":
    from browser.drawn_ahead import Reader

    return Reader(browser, screenshots, lab)


@pytest.fixture(scope="module")
def opened(browser: "Browser", lab: Lab) -> Iterator[tuple["Page", Watch]]:
    """One page of JupyterLab for all tests of a module."""
    own = f"{lab.address}/", f"{lab.address}/".replace("http:", "ws:")
    with watched_page(browser, *own, viewport={"width": 1280, "height": 900}) as (page, watch):
        yield page, watch
        page.evaluate(SHUT_DOWN)


@pytest.fixture(scope="module")
def page(opened: tuple["Page", Watch]) -> "Page":
    return opened[0]


@pytest.fixture(scope="module")
def watch(opened: tuple["Page", Watch]) -> Watch:
    return opened[1]


@pytest.fixture(autouse=True)
def watched(page: "Page", watch: Watch, screenshots: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep a screenshot of how each test ended, and fail it for what the page must not do."""
    yield
    page.screenshot(path=screenshots / f"{request.node.name}.png")
    assert not watch.elsewhere and not watch.errors, watch


@pytest.fixture(scope="module")
def open_and_run(page: "Page", lab: Lab) -> Callable[[str], "Page"]:
    """Opens a notebook of ours by its file name, or another by its path, runs it, and returns the page."""
    from browser.reader import run_all

    def open_and_run(name: str) -> "Page":
        # JupyterLab may have saved what an earlier test did.
        shutil.copy(NOTEBOOKS / name, lab.folder)
        address = f"{lab.address}/doc/tree/{Path(name).name}?token={lab.token}&reset"
        page.goto(address, wait_until="domcontentloaded")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
        run_all(page)
        return page

    return open_and_run
