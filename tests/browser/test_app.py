"""The playground as an app: as it comes, in windows of all sizes, under hasty hands, and in Firefox."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.conftest import end, environment, free_port, wait_for_answer
from browser.reader import expect, note_latencies, wait_until
from browser.watched import Watch, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Locator, Page

    from browser.firefox import Firefox

pytestmark = pytest.mark.slow

# What a reader would have to scroll sideways.
OVERFLOWS = """() => [document.scrollingElement, ...document.querySelectorAll("body, #rendered_cells *")]
  .filter(one => one.clientWidth && one.scrollWidth > one.clientWidth)
  .filter(one => getComputedStyle(one).overflowX !== "visible")
  .map(one => [one.className, one.scrollWidth, one.clientWidth])"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app, started from a folder that has nothing to do with it."""
    home = tmp_path_factory.mktemp("voila")
    address, log = f"http://127.0.0.1:{free_port()}", home / "voila.log"
    command = [
        *(sys.executable, "-m", "minmax_jax.publish.app", "--no-browser"),
        *(f"--port={address.rsplit(':')[-1]}", "--Voila.ip=127.0.0.1"),
    ]
    with log.open("w") as output:
        options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        server = subprocess.Popen(command, env=environment(home, ""), cwd=home, **options)
        try:
            wait_for_answer(server, address, log, "/voila/static/voila.js")
            yield address
        finally:
            end(server)


@pytest.fixture(scope="module")
def opened(app: str, browser: "Browser") -> Iterator[tuple["Page", Watch]]:
    """One page of the app for all tests in Chromium."""
    own = f"{app}/", f"{app}/".replace("http:", "ws:")
    with watched_page(browser, *own, viewport={"width": 1280, "height": 800}) as (page, watch):
        page.goto(app, timeout=180_000)
        expect(_button(page, "Train")).to_be_enabled(timeout=180_000)
        yield page, watch


def _button(page: "Page", name: str) -> "Locator":
    return page.get_by_role("button", name=re.compile(rf"\b{name}$")).first


def _picture(page: "Page", number: int = 0) -> "Locator":
    return page.locator("img.widget-image").nth(number)


def _eps(page: "Page") -> "Locator":
    """The slider of the attack."""
    return page.locator(".widget-slider", has=page.locator("label:text-is('eps')"))


def _sides(page: "Page", name: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a part of the page."""
    box = page.locator(f".minmax-{name}").first.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def test_it_begins_with_a_network_of_the_study_to_attack(page: "Page") -> None:
    expect(page.get_by_text("the study's network: mnist modern adam, TRADES")).to_be_visible()
    assert "withstand 97 %" in (_picture(page).get_attribute("title") or "")
    expect(page.get_by_text("Attack the study's network")).to_be_visible(timeout=60_000)
    wait_until(lambda: "taken for" in (_picture(page, 1).get_attribute("title") or ""), "nothing is attacked")
    assert not page.get_by_text("mm.widgets.Playground()").count(), "an app shows no code"


def test_it_trains_and_nothing_of_that_is_scrolled_to(page: "Page", screenshots: Path) -> None:
    train, status = _button(page, "Train"), page.get_by_role("status").first
    page.get_by_label("preset").select_option("L2")
    page.wait_for_timeout(6000)  # a reader looks first; meanwhile the first training is made ready
    begun = time.monotonic()
    train.click()
    expect(status).to_contain_text("Epoch 1 of 2", timeout=120_000)
    note_latencies([1000 * (time.monotonic() - begun)], "first_progress", screenshots)
    expect(status).to_contain_text("Finished after step", timeout=300_000)
    wait_until(lambda: "Under PGD" in (_picture(page).get_attribute("title") or ""), "no comparison")
    page.screenshot(path=screenshots / "app.png")
    for part in (page.get_by_label("preset"), train, status, _picture(page), _button(page, "Save")):
        box = part.bounding_box()
        assert box is not None and box["y"] >= 0 and box["y"] + box["height"] <= 800, part
    assert not page.get_by_role("alert").count()


def test_its_attack_and_its_files(page: "Page") -> None:
    attacked = _picture(page, 1)
    before = attacked.get_attribute("src")
    _eps(page).locator(".noUi-handle").press("End")
    wait_until(lambda: attacked.get_attribute("src") != before, "nothing is attacked anew")
    _button(page, "Save").click()
    link = page.get_by_role("link", name=re.compile(r"^history.nc \([0-9]+ kB\)$"))
    with page.expect_download() as waiting:
        link.click()
    assert Path(waiting.value.path()).stat().st_size > 20_000


def test_a_number_out_of_range_is_told_beside_its_field(page: "Page", screenshots: Path) -> None:
    field, alert = page.get_by_label("epochs", exact=True), page.get_by_role("alert")
    field.fill("50")
    field.press("Enter")
    expect(alert).to_have_text("epochs must be in [1, 20], got 50")
    _button(page, "Train").click()
    expect(alert.nth(1)).to_contain_text("epochs must be in [1, 20], got 50")
    page.screenshot(path=screenshots / "app_told.png")
    assert field.input_value() == "50"
    field.fill("1")
    field.press("Enter")
    _button(page, "Train").click()
    _button(page, "Stop").click()
    expect(page.get_by_role("status").first).to_contain_text("Stopped")
    expect(alert).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "typed", "words", "mended"),
    [
        ("eps", "2", "eps must be in [0, 0.5], got 2", "0.25"),
        ("eps", "wide", "eps must be in [0, 0.5], got wide", "0.3"),
        ("number", "20000", "number must be a whole number in [0, 9999], got 20000", "7"),
    ],
)
def test_so_it_is_beside_a_slider(page: "Page", name: str, typed: str, words: str, mended: str) -> None:
    field, alert = page.get_by_role("textbox", name=name, exact=True), page.get_by_role("alert")
    attacked = _picture(page, 1)
    before = attacked.get_attribute("src")
    for leave in ("Enter", "Tab"):
        field.fill(typed)
        field.press(leave)
        expect(alert).to_have_text(words)
        expect(field).to_have_text(typed)
    assert attacked.get_attribute("src") == before
    field.fill(mended)
    field.press("Enter")
    expect(alert).to_have_count(0)
    wait_until(lambda: attacked.get_attribute("src") != before, "nothing is attacked anew")


@pytest.mark.parametrize(("width", "columns"), [(420, 1), (768, 1), (1024, 2), (1280, 2), (1920, 2)])
def test_it_fits_its_window(page: "Page", screenshots: Path, width: int, columns: int) -> None:
    page.set_viewport_size({"width": width, "height": 2400 if columns == 1 else 800})
    page.wait_for_timeout(500)
    page.screenshot(path=screenshots / f"app_{width}.png")
    assert page.evaluate(OVERFLOWS) == []
    side, main = _sides(page, "side"), _sides(page, "main")
    if columns == 1:
        assert main[0] == side[0] and main[1] >= side[3]
    else:
        assert main[0] >= side[2] and main[1] == side[1]
    page.set_viewport_size({"width": 1280, "height": 800})


def test_the_browser_asks_before_a_reload_loses_what_was_trained(page: "Page") -> None:
    train, status = _button(page, "Train"), page.get_by_role("status").first
    train.click()
    expect(status).to_contain_text("Epoch 1", timeout=120_000)
    _button(page, "Stop").click()
    expect(status).to_contain_text("Stopped after step", timeout=120_000)
    for answer in ("dismiss", "accept"):
        asked: list[str] = []

        def reply(dialog: "Dialog", answer: str = answer, asked: list[str] = asked) -> None:
            asked.append(dialog.type)
            getattr(dialog, answer)()

        page.once("dialog", reply)
        page.evaluate("() => { setTimeout(() => location.reload()); }")
        limit = time.monotonic() + 30
        while not asked and time.monotonic() < limit:
            page.wait_for_timeout(100)
        assert asked == ["beforeunload"], "nobody asks"
        if answer == "dismiss":  # all is as it was, and alive
            before = _picture(page, 1).get_attribute("src")
            _eps(page).locator(".noUi-handle").press(
                "ArrowRight" if "0.00" in _eps(page).inner_text() else "Home"
            )
            wait_until(lambda: _picture(page, 1).get_attribute("src") != before, "the kernel is gone")  # noqa: B023
            expect(page.get_by_text("this run: mnist").first).to_be_visible()
    expect(page.get_by_text("the study's network: mnist").first).to_be_visible(timeout=180_000)


def test_firefox_shows_it_and_trains(app: str, firefox: "Firefox", screenshots: Path) -> None:
    firefox.open(app, 1280, 800)
    firefox.wait("document.querySelector('img.widget-image')?.title.includes('withstand 97 %')")
    firefox.wait("document.querySelectorAll('img.widget-image')[1]?.title.includes('taken for')")
    assert firefox.evaluate(f"({OVERFLOWS})().length") == 0
    firefox.press("Train")
    firefox.wait("document.querySelector('[role=status]').textContent.includes('Epoch 1 of 2')")
    firefox.press("Stop")
    firefox.wait("document.querySelector('img.widget-image').title.includes('this run:')")
    assert firefox.evaluate("document.querySelectorAll('[role=alert]').length") == 0
    (screenshots / "firefox.png").write_bytes(firefox.screenshot())
