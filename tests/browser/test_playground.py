"""A reader plays: trains, stops, compares, saves, attacks and draws; as a notebook and as an app."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.conftest import end, environment, free_port, wait_for_answer
from browser.reader import Explorer, expect, note_latencies, wait_until
from browser.watched import watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

STRENGTH = "strength λ of fuzziness"


@pytest.fixture(scope="module")
def notebook(open_and_run: Callable[[str], "Page"]) -> "Page":
    return open_and_run("playground.ipynb")


def test_train_watch_and_stop(notebook: "Page", screenshots: Path) -> None:
    play = Explorer(notebook, STRENGTH)
    picture = play.settle()
    play.press("ArrowRight", times=3)
    play.button("Train").click()
    play.expect_status("Epoch 1 of 2")
    wait_until(lambda: play.digest() != picture, "the figure does not follow the training")
    play.button("Stop").click()
    play.expect_status("Stopped after step")
    play.settle()
    play.output.screenshot(path=screenshots / "playground.png")
    begun = time.monotonic()  # again, with all of it compiled
    play.button("Train").click()
    play.expect_status("Epoch 1 of 2")
    note_latencies([1000 * (time.monotonic() - begun)], "first_progress", screenshots)
    play.button("Stop").click()
    play.expect_status("Stopped after step")
    assert not play.alert.count(), play.alert.all_inner_texts()


def test_keep_mark_and_save(notebook: "Page") -> None:
    play = Explorer(notebook, STRENGTH)
    picture = play.settle()
    play.button("Keep").click()
    picture = play.expect_change(picture)
    expect(play.output.get_by_text("kept run: mnist")).to_be_visible()
    play.press("ArrowLeft")
    expect(play.output.get_by_text("The controls have changed since")).to_be_visible()
    play.button("Save").click()
    with notebook.expect_download() as waiting:
        play.output.get_by_role("link", name="weights.npz").click()
    assert waiting.value.suggested_filename == "weights.npz"
    assert Path(waiting.value.path()).stat().st_size > 200_000


def test_a_drawing_is_attacked(notebook: "Page", screenshots: Path) -> None:
    play = Explorer(notebook, STRENGTH)
    picture = play.output.locator("img.widget-image").nth(1)
    picture.scroll_into_view_if_needed()
    before = picture.get_attribute("src")
    lists = play.output.locator(".widget-dropdown", has=notebook.locator("label:text-is('image')"))
    lists.locator("select").select_option("my drawing")
    field = play.output.locator("canvas")
    expect(field).to_be_visible()
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    assert box is not None
    wait_until(lambda: picture.get_attribute("src") != before, "the drawing is not attacked")
    before = picture.get_attribute("src")
    notebook.mouse.move(box["x"] + 140, box["y"] + 40)
    notebook.mouse.down()
    notebook.mouse.move(box["x"] + 140, box["y"] + 240, steps=10)
    notebook.mouse.up()
    wait_until(lambda: picture.get_attribute("src") != before, "a stroke changes nothing")
    before = picture.get_attribute("src")
    field.focus()
    for key in ("ArrowLeft", "ArrowLeft", "Space"):
        notebook.keyboard.press(key)
    wait_until(lambda: picture.get_attribute("src") != before, "the space bar paints nothing")
    notebook.wait_for_timeout(1000)
    play.output.screenshot(path=screenshots / "drawing.png")
    assert not play.alert.count(), play.alert.all_inner_texts()


# As an app


@pytest.fixture(scope="module")
def app(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("voila")
    address, log = f"http://127.0.0.1:{free_port()}", home / "voila.log"
    command = [
        *(sys.executable, "-m", "minmax_jax.app", "--no-browser"),
        *(f"--port={address.rsplit(':')[-1]}", "--Voila.ip=127.0.0.1"),
    ]
    with log.open("w") as output:
        options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        server = subprocess.Popen(command, env=environment(home, ""), **options)
        try:
            wait_for_answer(server, address, log, "/voila/static/voila.js")
            yield address
        finally:
            end(server)


def test_the_app_trains(app: str, browser: "Browser", screenshots: Path) -> None:
    own = f"{app}/", f"{app}/".replace("http:", "ws:")
    with watched_page(browser, *own, viewport={"width": 1280, "height": 1600}) as (page, watch):
        page.goto(app, timeout=180_000)
        train = page.get_by_role("button", name=re.compile(r"\bTrain$")).first
        expect(train).to_be_enabled(timeout=180_000)
        train.click()
        status = page.get_by_role("status").first
        expect(status).to_contain_text("Epoch 1 of 2", timeout=120_000)
        page.get_by_role("button", name=re.compile(r"\bStop$")).first.click()
        expect(status).to_contain_text("Stopped after step", timeout=120_000)
        page.wait_for_timeout(1000)
        page.screenshot(path=screenshots / "app.png")
        assert not page.get_by_role("alert").count()
        assert not page.get_by_text("mm.widgets.Playground()").count(), "an app shows no code"
        assert not watch.elsewhere, watch.elsewhere
        assert not watch.errors
