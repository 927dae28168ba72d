"""An explorer drawn by a worker: the last task counts, and an error is shown until the next is drawn."""

from minmax_jax.widgets.drawn import DrawnExplorer


class Reciprocal(DrawnExplorer):
    """Draws nothing, but works out 1 / x."""

    def _draw(self, x):
        self.shown = 1 / x


def test_the_last_task_is_drawn():
    explorer = Reciprocal()
    for x in (1, 2, 4):
        explorer._push(x)
    explorer.wait()
    assert explorer.shown == 0.25 and explorer.status.value == ""


def test_an_error_is_shown_until_something_is_drawn():
    explorer = Reciprocal()
    explorer._push(0)
    explorer.wait()
    assert "ZeroDivisionError" in explorer.status.value and 'role="alert"' in explorer.status.value
    explorer._push(2)
    explorer.wait()
    assert explorer.status.value == ""
