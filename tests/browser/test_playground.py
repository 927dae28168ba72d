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
from browser.drawn_ahead import FRAMES, Reader, into_view, read_as_page
from browser.drawn_ahead import play as play_frames
from browser.reader import Explorer, expect, note_latencies, wait_until
from browser.watched import watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

STRENGTH = "strength λ of the term"


@pytest.fixture(scope="module")
def notebook(open_and_run: Callable[[str], "Page"]) -> "Page":
    return open_and_run("playground.ipynb")


def test_stopped_before_it_has_begun(notebook: "Page") -> None:
    play = Explorer(notebook, STRENGTH)
    play.button("Train").click()
    play.button("Stop").click()
    play.expect_status("Stopped after step")
    expect(play.button("Train")).to_be_enabled()


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
    expect(play.output.get_by_text("Attack this run: mnist")).to_be_visible()
    assert not play.alert.count(), play.alert.all_inner_texts()


def test_keep_mark_and_save(notebook: "Page") -> None:
    play = Explorer(notebook, STRENGTH)
    picture = play.settle()
    play.button("Keep").click()
    picture = play.expect_change(picture)
    expect(play.output.get_by_text(re.compile(r"; run \d+: mnist"))).to_be_visible()
    play.press("ArrowLeft")
    expect(play.output.get_by_text("The controls have changed since")).to_be_visible()
    play.button("Save").click()
    with notebook.expect_download() as waiting:
        play.output.get_by_role("link", name="weights.npz").click()
    assert waiting.value.suggested_filename == "weights.npz"
    assert Path(waiting.value.path()).stat().st_size > 200_000


@pytest.mark.parametrize("dropdown", ["dataset", "network", "optimiser"])
def test_a_figure_of_another_choice_is_marked(notebook: "Page", dropdown: str) -> None:
    play = Explorer(notebook, STRENGTH)
    differs = play.output.get_by_text("The controls have changed since")
    play.choose("dataset", 0)  # as it was trained; so are the others
    play.press("End")
    play.button("Train").click()
    play.stop_once("Epoch 1 of 2")
    expect(differs).to_be_hidden()
    play.choose_another(dropdown)
    expect(differs).to_be_visible()
    play.choose(dropdown, 0)
    expect(differs).to_be_hidden()


@pytest.mark.parametrize("dropdown", ["λ reading", "λ membership", "λ measure"])
def test_another_form_redraws_fuzziness_and_is_marked(notebook: "Page", dropdown: str) -> None:
    play = Explorer(notebook, STRENGTH)
    picture = play.settle()
    play.choose_another(dropdown)
    picture = play.expect_change(picture)
    expect(play.output.get_by_text("The controls have changed since")).to_be_visible()
    play.choose(dropdown, 0)
    play.expect_change(picture)


@pytest.mark.parametrize("name", ["epochs", "seed"])
def test_numbers_are_typed(notebook: "Page", name: str) -> None:
    play = Explorer(notebook, STRENGTH)
    differs = play.output.get_by_text("The controls have changed since")
    field = play.output.get_by_label(name, exact=True)
    before = field.input_value()
    field.fill("7")
    field.press("Enter")
    expect(differs).to_be_visible()
    field.fill(before)
    field.press("Enter")
    expect(differs).to_be_hidden()


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


def test_frames_of_an_own_model(notebook: "Page") -> None:
    frames = notebook.locator(FRAMES).first
    into_view(frames)
    play_frames(frames)


def test_its_page_lives_with_the_network_off(notebook: "Page", reader: Reader, tmp_path: Path) -> None:
    read_as_page(notebook, "playground", reader, tmp_path)


# As an app


@pytest.fixture(scope="module")
def app(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("voila")
    address, log = f"http://127.0.0.1:{free_port()}", home / "voila.log"
    command = [
        *(sys.executable, "-m", "minmax_jax.publish.app", "--no-browser"),
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
        page.wait_for_timeout(6000)  # a reader looks first; meanwhile the first training is made ready
        begun = time.monotonic()
        train.click()
        status = page.get_by_role("status").first
        expect(status).to_contain_text("Epoch 1 of 2", timeout=120_000)
        note_latencies([1000 * (time.monotonic() - begun)], "first_progress", screenshots)
        page.get_by_role("button", name=re.compile(r"\bStop$")).first.click()
        expect(status).to_contain_text("Stopped after step", timeout=120_000)
        attacked = page.locator("img.widget-image").nth(1)
        before = attacked.get_attribute("src")
        eps = page.locator(".widget-slider", has=page.locator("label:text-is('eps')"))
        eps.locator(".noUi-handle").press("End")
        wait_until(lambda: attacked.get_attribute("src") != before, "nothing is attacked anew")
        page.get_by_role("button", name=re.compile(r"\bSave$")).first.click()
        with page.expect_download() as waiting:
            page.get_by_role("link", name="history.nc").click()
        assert Path(waiting.value.path()).stat().st_size > 20_000
        page.wait_for_timeout(1000)
        page.screenshot(path=screenshots / "app.png")
        assert not page.get_by_role("alert").count()
        assert not page.get_by_text("mm.widgets.Playground()").count(), "an app shows no code"
        assert not watch.elsewhere, watch.elsewhere
        assert not watch.errors
