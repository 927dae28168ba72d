"""An explorer drawn by a worker: the last task counts, and an error is shown until the next is drawn."""

import threading

from minmax_jax.plots.style import Figure
from minmax_jax.widgets import FigureImage
from minmax_jax.widgets.drawn import DrawnExplorer


class Reciprocal(DrawnExplorer):
    """Writes 1 / x below an empty figure."""

    def __init__(self):
        super().__init__()
        self.figure = FigureImage(Figure(figsize=(1, 1)))

    def _draw(self, x):
        self.figure.refresh(f"{1 / x}")


def test_the_last_task_is_drawn():
    explorer = Reciprocal()
    for x in (1, 2, 4):
        explorer._push(x)
    explorer.wait()
    assert ">0.25<" in explorer.figure.caption.value and explorer.status.value == ""


def test_an_error_is_shown_until_something_is_drawn():
    explorer = Reciprocal()
    for x in (4, 0):
        explorer._push(x)
        explorer.wait()
    assert "an earlier choice: 0.25<" in explorer.figure.caption.value
    assert "ZeroDivisionError" in explorer.status.value and 'role="alert"' in explorer.status.value
    explorer._push(2)
    explorer.wait()
    assert explorer.status.value == "" and ">0.5<" in explorer.figure.caption.value


def test_an_error_in_a_callback_marks_the_figure_too():
    explorer = Reciprocal()
    explorer._push(4)
    explorer.wait()
    explorer._guard(lambda _: 1 / 0)(None)
    explorer.wait()
    assert "an earlier choice: 0.25<" in explorer.figure.caption.value
    assert "ZeroDivisionError" in explorer.status.value


def test_an_error_in_a_callback_outlives_a_drawing_under_way(monkeypatch):
    explorer, begun, go = Reciprocal(), threading.Event(), threading.Event()
    refresh = explorer.figure.refresh

    def slowly(words):
        begun.set()
        assert go.wait(30)
        refresh(words)

    monkeypatch.setattr(explorer.figure, "refresh", slowly)
    explorer._push(2)
    assert begun.wait(30)
    explorer._guard(lambda _: 1 / 0)(None)
    go.set()
    explorer.wait()
    assert "an earlier choice: 0.5<" in explorer.figure.caption.value
    assert "ZeroDivisionError" in explorer.status.value
