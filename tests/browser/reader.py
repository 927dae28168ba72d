"""What a reader does with a notebook in JupyterLab, in words that the tests can use."""

import hashlib
import json
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import jupytext
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

# Where it is missing, a test module that imports this one is skipped.
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
expect.set_options(timeout=60_000)  # on a busy machine a kernel may take longer than Playwright's 5 s

KERNEL_IS_IDLE = """async () => {
  const panel = window.jupyterapp?.shell.currentWidget;
  if (!panel?.sessionContext) return false;
  await panel.context.ready;
  await panel.sessionContext.ready;
  const kernel = panel.sessionContext.session?.kernel;
  if (!kernel) return false;
  await kernel.info;
  return kernel.connectionStatus === 'connected' && kernel.status === 'idle';
}"""
ALL_CELLS_RAN = """() => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
  const code = cells.filter(cell => cell.type === 'code' && cell.sharedModel.source.trim());
  return code.every(cell => cell.executionCount && cell.executionState !== 'running');
}"""
# JupyterLab lays cells out as they come into view, which moves what lies below them.
SCROLL_TO_CELL = """async inside => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const index = notebook.widgets.findIndex(cell => cell.node.contains(inside));
  await notebook.scrollToItem(index, 'start');
}"""
BYTES_OF_IMAGE = """async image => {
  const reply = await fetch(image.src);
  return Array.from(new Uint8Array(await reply.arrayBuffer()));
}"""
# From each key press or choice to the frame after the new picture is decoded, or another that came after it.
NOTE_LATENCIES = """picture => {
  const times = window.latencies = [];
  const decoded = async () => {
    const source = picture.src;
    try {
      await picture.decode();
    } catch (error) {
      if (picture.src === source) throw error;
      await decoded();
    }
  };
  let start = 0;
  for (const act of ["keydown", "change"]) {
    document.addEventListener(act, () => { start = performance.now(); }, true);
  }
  new MutationObserver(async () => {
    if (!start) return;
    const since = start;
    start = 0;
    await decoded();
    requestAnimationFrame(() => times.push(performance.now() - since));
  }).observe(picture, { attributes: true, attributeFilter: ["src"] });
}"""
COMPLAINTS = "[data-mime-type='application/vnd.jupyter.stderr'], [data-mime-type$='error']"


def write_notebook(text: str, path: Path) -> Path:
    """Write cells in the percent format as a notebook that JupyterLab opens without a question."""
    made = jupytext.reads(text, "py:percent")
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    jupytext.write(made, path)
    return path


def wait_until(condition: Callable[[], bool], message: str, seconds: float = 30) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, message
        time.sleep(0.05)


def run_all(page: "Page") -> None:
    """Run every cell through the menu, as a reader would, and wait for the last one."""
    wait_until(lambda: page.evaluate(KERNEL_IS_IDLE), "the kernel is not ready", 90)
    assert not page.locator(".jp-Dialog").count(), page.locator(".jp-Dialog").inner_text()
    page.click("li.lm-MenuBar-item:has-text('Run')")
    page.click("li.lm-Menu-item[data-command='runmenu:run-all']")
    page.wait_for_function(ALL_CELLS_RAN, timeout=300_000)
    assert not page.locator(COMPLAINTS).count(), page.locator(COMPLAINTS).all_inner_texts()


def note_latencies(milliseconds: list[float], name: str, folder: Path) -> None:
    """Write down and print the median and the longest of some times."""
    found = {"median_ms": statistics.median(milliseconds), "longest_ms": max(milliseconds)}
    print(name, found)
    (folder / f"latency_{name}.json").write_text(json.dumps(found))


class Explorer:
    """One explorer of a notebook: the output that holds the first slider of a name, or a later one."""

    def __init__(self, page: "Page", slider: str, number: int = 0) -> None:
        self.page = page
        self.slider = page.locator(".widget-slider", has=self._label(slider)).nth(number)
        self.output = self.slider.locator("xpath=ancestor::*[contains(@class, 'jp-OutputArea-output')][1]")
        self.handle = self.slider.locator(".noUi-handle")
        self.readout = self.slider.locator(".widget-readout")
        self.picture = self.output.locator("img.widget-image").first
        self.status = self.output.get_by_role("status").first  # of the job, where there are more
        self.alert = self.output.get_by_role("alert")
        wait_until(self._is_in_view, f"the explorer of {slider} does not come into view")

    def _is_in_view(self) -> bool:
        self.slider.evaluate(SCROLL_TO_CELL)
        self.page.wait_for_timeout(500)  # until cells have come to rest
        return self.slider.is_visible() and self.picture.is_visible()

    def _label(self, text: str) -> "Locator":
        return self.page.locator(f"label:text-is('{text}')")

    def press(self, key: str, times: int = 1) -> None:
        self.handle.focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def measure(self, key: str, name: str, folder: Path, times: int = 12) -> None:
        """Note how long a key press takes to show. Nothing fails by the clock."""
        self._measure(lambda: self.press(key), name, folder, times)

    def measure_list(self, dropdown: str, name: str, folder: Path, times: int = 6) -> None:
        """Note how long a choice from a list takes to show."""
        self._measure(lambda: self.choose_another(dropdown), name, folder, times)

    def _measure(self, act: Callable[[], None], name: str, folder: Path, times: int) -> None:
        self.settle()
        self.picture.evaluate(NOTE_LATENCIES)
        for i in range(times):
            act()
            wait_until(lambda: self.page.evaluate("latencies.length") > i, f"{name}: nothing changes")  # noqa: B023
        note_latencies(self.page.evaluate("latencies"), name, folder)

    def drag(self, pixels: int) -> None:
        self.handle.scroll_into_view_if_needed()
        box = self.handle.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + pixels, y, steps=8)
        self.page.mouse.up()

    def _list(self, dropdown: str) -> "Locator":
        row = self.output.locator(".widget-dropdown", has=self._label(dropdown))
        return row.first.locator("select")

    def choose(self, dropdown: str, index: int) -> None:
        """Choose an entry of a dropdown."""
        self._list(dropdown).select_option(index=index)

    def choose_another(self, dropdown: str) -> None:
        """Choose the next entry of a dropdown, or the first one after the last."""
        select = self._list(dropdown)
        chosen, count = select.evaluate("list => [list.selectedIndex, list.options.length]")
        select.select_option(index=(chosen + 1) % count)

    def button(self, name: str) -> "Locator":
        # An icon font may put a character of its own before the name.
        return self.output.get_by_role("button", name=re.compile(rf"\b{name}$"))

    def digest(self) -> str:
        """The picture's bytes in short; it comes as a new address with every change."""
        return hashlib.sha256(bytes(self.picture.evaluate(BYTES_OF_IMAGE))).hexdigest()

    def settle(self) -> str:
        """The picture's digest once nothing redraws it any more."""
        seen = ["", self.digest()]
        while seen[-1] != seen[-2]:
            self.page.wait_for_timeout(400)
            seen.append(self.digest())
            assert len(seen) < 50, "the picture does not come to rest"
        return seen[-1]

    def expect_change(self, before: str) -> str:
        """Wait for another picture than `before`, and return its digest at rest."""
        wait_until(lambda: self.digest() != before, "the picture did not change")
        assert not self.alert.count(), self.alert.all_inner_texts()
        return self.settle()

    def stop_once(self, text: str) -> None:
        """Stop training once the status says so much."""
        self.expect_status(text)
        self.button("Stop").click()
        self.expect_status("Stopped after step")
        expect(self.button("Train")).to_be_enabled()

    def expect_status(self, text: str) -> None:
        expect(self.status).to_contain_text(text, timeout=60_000)
