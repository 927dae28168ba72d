"""A hasty reader: two explorers, cells out of order, a reloaded page, a restarted kernel, a dark theme."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.reader import (
    COMPLAINTS,
    KERNEL_IS_IDLE,
    Explorer,
    expect,
    run_all,
    wait_until,
    write_notebook,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

NOTEBOOK = """# %%
from flax import nnx
import minmax_jax as mm

class Small(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Conv(1, 4, (5, 5), strides=4, rngs=rngs)
        self.last = nnx.Linear(4 * 7 * 7, 10, rngs=rngs)

    def __call__(self, x):
        return self.last(nnx.relu(self.first(x)).reshape(len(x), -1))

data = mm.load("mnist")
few = mm.Dataset("few", data.train[:640], data.test[:100], data.class_names)
run = mm.fit(Small(nnx.Rngs(0)), few, epochs=2, progress=False)

# %%
mm.widgets.TimeExplorer(run.history)

# %%
mm.widgets.TimeExplorer(run.history)

# %%
mm.widgets.StrengthExplorer(Small(nnx.Rngs(0)), few, run, attacked=50)

# %%
mm.widgets.TimeFrames(run.history, most=3)

# %%
mm.widgets.Playground(mm.widgets.Play(dataset="no_such_data"))

# %%
mm.widgets.KernelExplorer([[0.1] * 5] * 5)

# %%
mm.widgets.AttackExplorer(run.model, few)
"""
STEP, STRENGTH = "training step", "strength λ"
RUN_CELL = """async index => {
  const panel = window.jupyterapp.shell.currentWidget;
  panel.content.activeCellIndex = index;
  await window.jupyterapp.commands.execute("notebook:run-cell");
}"""
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
WIDTHS = (640, 1024, 1280, 1440, 1920)  # of the window; 640 is what side bars leave of 1024
# What a reader would have to scroll sideways.
OVERFLOWS = """() => [...document.querySelectorAll(".jp-OutputArea, .jp-OutputArea *")].filter(node =>
  node.clientWidth && node.scrollWidth > node.clientWidth && getComputedStyle(node).overflowX !== "visible"
).map(node => [node.className, node.scrollWidth, node.clientWidth])"""
# Of each slider: its name and value as screen readers say them and as they are seen, and how long it is.
SLIDERS = """() => [
  ...document.querySelectorAll(".jp-OutputArea :is([role=slider], input[type=range])")
].map(one => {
  const live = one.closest(".widget-slider"), label = live?.querySelector("label") ?? one.closest("label");
  const value = live?.querySelector(".widget-readout") ?? label.nextElementSibling;
  return {
    said: [one.ariaLabel ?? one.labels[0].textContent, one.getAttribute("aria-valuetext")],
    seen: [label.textContent, value.textContent],
    length: (live?.querySelector(".noUi-base") ?? one).clientWidth,
  };
})"""
# How often "Starting…" has come to be written.
COUNT_STARTS = """output => {
  window.starts = 0;
  new MutationObserver(changes => {
    const added = changes.flatMap(change => [...change.addedNodes]);
    window.starts += added.filter(node => node.textContent.includes("Starting…")).length;
  }).observe(output, { childList: true, subtree: true });
}"""
# Text of explorers and how it stands out against what is behind it (WCAG 2, relative luminance).
CONTRASTS = """() => {
  const channels = colour => (colour.match(/[0-9.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [[0.2126, r], [0.7152, g], [0.0722, b]].reduce((sum, [share, value]) => {
    const part = value / 255;
    return sum + share * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  }, 0);
  const behind = node => {
    for (let one = node; one; one = one.parentElement) {
      const found = channels(getComputedStyle(one).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const inside = [...document.querySelectorAll(".jp-OutputArea-output :is(.widget-box, .minmax-frames) *")];
  const shown = inside.filter(node => [...node.childNodes].some(
    child => child.nodeType === Node.TEXT_NODE && child.textContent.trim()
  ) && node.checkVisibility() && !["SCRIPT", "STYLE", "OPTION"].includes(node.tagName));
  return shown.map(node => {
    const two = [channels(getComputedStyle(node).color), behind(node)].map(light);
    return [node.textContent.trim(), (Math.max(...two) + 0.05) / (Math.min(...two) + 0.05)];
  });
}"""


@pytest.fixture(scope="module")
def notebook(open_and_run: Callable[[str], "Page"], tmp_path_factory: pytest.TempPathFactory) -> "Page":
    return open_and_run(str(write_notebook(NOTEBOOK, tmp_path_factory.mktemp("notebook") / "hands.ipynb")))


def test_two_explorers_at_once_do_not_disturb_each_other(notebook: "Page") -> None:
    first, second = Explorer(notebook, STEP, 0), Explorer(notebook, STEP, 1)
    one, other = first.settle(), second.settle()
    assert one == other  # of the same run
    first.press("Home")
    one = first.expect_change(one)
    assert (first.picture.get_attribute("title") or "").startswith("first, step 0"), "its name"
    assert second.digest() == other
    for _ in range(3):  # by turns, without waiting
        first.press("ArrowRight")
        second.press("ArrowLeft")
    one, other = first.expect_change(one), second.expect_change(other)
    first.press("End")
    second.press("End")
    assert first.expect_change(one) == second.expect_change(other)


def test_cells_run_again_and_out_of_order(notebook: "Page") -> None:
    for cell in (2, 1, 3, 2):
        notebook.evaluate(RUN_CELL, cell)
    wait_until(lambda: notebook.evaluate(KERNEL_IS_IDLE), "the kernel does not come to rest")
    assert not notebook.locator(COMPLAINTS).count(), notebook.locator(COMPLAINTS).all_inner_texts()
    for number in range(2):
        explorer = Explorer(notebook, STEP, number)
        picture = explorer.settle()
        explorer.press("ArrowLeft")
        explorer.expect_change(picture)


@pytest.mark.parametrize("dropdown", ["reading", "membership", "measure"])
def test_a_choice_from_a_list_is_drawn(notebook: "Page", screenshots: Path, dropdown: str) -> None:
    Explorer(notebook, STEP).measure_list(dropdown, dropdown, screenshots)


def test_clicked_twice_it_trains_once(notebook: "Page") -> None:
    explorer = Explorer(notebook, STRENGTH)
    explorer.press("ArrowRight")
    explorer.button("Stop").dblclick()
    explorer.expect_status("after step")
    explorer.output.evaluate(COUNT_STARTS)
    explorer.button("Train").dblclick()
    explorer.expect_status("Finished after step")
    assert notebook.evaluate("starts") == 1
    assert not explorer.alert.count(), explorer.alert.all_inner_texts()


def test_what_goes_wrong_is_said_in_place(notebook: "Page", screenshots: Path) -> None:
    play = Explorer(notebook, "strength λ of the term")
    play.button("Train").click()
    expect(play.alert).to_contain_text("no_such_data", timeout=60_000)
    play.output.screenshot(path=screenshots / "wrong.png")
    play.choose("dataset", 0)
    play.button("Train").click()
    play.expect_status("Epoch 1 of 2")
    assert not play.alert.count(), play.alert.all_inner_texts()
    play.button("Stop").click()
    play.expect_status("Stopped after step")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_there_is_room(notebook: "Page", screenshots: Path, width: int) -> None:
    notebook.set_viewport_size({"width": width, "height": 900})
    for step in (STEP, STRENGTH, "w[4, 4]", "number"):
        explorer = Explorer(notebook, step)
        explorer.output.screenshot(path=screenshots / f"{width}_{step[0]}.png")
        assert notebook.evaluate(OVERFLOWS) == []
    notebook.set_viewport_size({"width": 1280, "height": 900})


def test_sliders_say_what_they_show_and_are_long_enough(notebook: "Page") -> None:
    explorer = Explorer(notebook, STEP)
    explorer.press("Home")
    expect(notebook.get_by_role("slider", name=STEP).first).to_have_attribute("aria-valuetext", "0")
    explorer.press("End")
    expect(notebook.get_by_role("slider", name=STEP).first).to_have_attribute("aria-valuetext", "10")
    found = notebook.evaluate(SLIDERS)
    assert len(found) > 30
    assert [one for one in found if one["said"] != one["seen"] or one["length"] < 150] == []
    expect(notebook.get_by_role("textbox", name="w[0, 0]")).to_have_text("0.10")


def test_a_number_out_of_its_range_is_told_and_not_replaced(notebook: "Page") -> None:
    explorer = Explorer(notebook, "w[4, 4]")
    picture, tap = explorer.settle(), notebook.get_by_role("textbox", name="w[0, 0]")
    tap.fill("5")
    tap.press("Enter")
    expect(explorer.alert).to_have_text("w[0, 0] must be in [-1, 1], got 5")
    assert (tap.inner_text(), explorer.settle()) == ("5", picture)
    tap.fill("-0.5")
    tap.press("Enter")
    expect(explorer.alert).to_have_count(0)
    explorer.expect_change(picture)
    tap.fill("0.1")
    tap.press("Enter")
    step = Explorer(notebook, STEP).readout
    assert step.get_attribute("contenteditable") == "false", "what is typed there would be of no account"


def test_readable_in_the_dark(notebook: "Page", screenshots: Path) -> None:
    explorer = Explorer(notebook, STRENGTH)
    light = notebook.evaluate(CONTRASTS)
    notebook.evaluate(THEME, "JupyterLab Dark")
    notebook.wait_for_selector("body[data-jp-theme-light='false']", state="attached")
    notebook.wait_for_timeout(1000)  # until colours have changed
    explorer.output.screenshot(path=screenshots / "dark.png")
    dark = notebook.evaluate(CONTRASTS)
    notebook.evaluate(THEME, "JupyterLab Light")
    notebook.wait_for_selector("body[data-jp-theme-light='true']", state="attached")
    assert len(light) == len(dark) > 10
    faint = [(text, round(ratio, 2)) for text, ratio in light + dark if ratio < 4.5]
    assert not faint


def test_a_page_reloaded_finds_its_explorers_alive(notebook: "Page") -> None:
    notebook.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    notebook.reload(wait_until="domcontentloaded")
    notebook.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
    wait_until(lambda: notebook.evaluate(KERNEL_IS_IDLE), "the kernel is not ready", 90)
    explorer = Explorer(notebook, STEP)
    picture = explorer.settle()
    explorer.press("ArrowLeft")
    explorer.expect_change(picture)
    assert not notebook.get_by_text("Click to show javascript error").count()


def test_after_a_restart_of_the_kernel_all_can_be_run_again(notebook: "Page") -> None:
    explorer = Explorer(notebook, STEP)
    notebook.evaluate(RESTART)
    explorer.press("Home")  # nobody answers; it must do no harm
    run_all(notebook)
    explorer = Explorer(notebook, STEP)
    picture = explorer.settle()
    explorer.press("Home")
    explorer.expect_change(picture)
