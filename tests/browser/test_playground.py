"""A reader plays: trains, stops, compares, saves, attacks and draws."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.drawn_ahead import FRAMES, Reader, into_view, read_as_page
from browser.drawn_ahead import play as play_frames
from browser.reader import Explorer, expect, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

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
def test_another_form_redraws_fuzziness_and_is_marked(
    notebook: "Page", screenshots: Path, dropdown: str
) -> None:
    play = Explorer(notebook, STRENGTH)
    picture = play.settle()
    play.choose_another(dropdown)
    picture = play.expect_change(picture)
    expect(play.output.get_by_text("The controls have changed since")).to_be_visible()
    play.choose(dropdown, 0)
    play.expect_change(picture)
    play.measure_list(dropdown, f"play_{dropdown[2:]}", screenshots)
    play.choose(dropdown, 0)


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
