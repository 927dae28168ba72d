"""An explorer of a training history, with a slider over time."""

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from minmax_jax.checks import check_count
from minmax_jax.fuzziness import MEASURES, Measure
from minmax_jax.intervals import MEMBERSHIPS, READINGS, Membership, Reading
from minmax_jax.minmax import layer_name
from minmax_jax.plots.minmax_view import MinMaxView
from minmax_jax.training.history import recording_steps
from minmax_jax.widgets.controls import LONG, dropdown, row, slider
from minmax_jax.widgets.explorer import DrawnExplorer
from minmax_jax.widgets.frames import DPI, Choice, Frames

if TYPE_CHECKING:
    import xarray as xr

LAYER, STEP = "layer", "training step"


class TimeExplorer(DrawnExplorer):
    """Filters, memberships and fuzziness of a layer while you slide through training.

    It shows the ``history`` of any run of ``fit``; ``show_history`` switches to another one. Dropdowns choose
    the layer, the reading of "interval", the membership and the measure.
    """

    def __init__(self, history: "xr.Dataset"):
        super().__init__()
        self._use(MinMaxView())
        self.step = slider(STEP, [0], 0, width=LONG)
        self.layer = dropdown("layer", ["-"])
        self.reading = dropdown("reading", READINGS)
        self.membership = dropdown("membership", MEMBERSHIPS)
        self.measure = dropdown("measure", MEASURES)
        choices = [self.layer, self.reading, self.membership, self.measure]
        self.controls = [self.step, *choices]
        self.show_history(history)
        for control in self.controls:
            control.observe(self._guard(self._changed), "value")
        self.children = [row(*choices), row(self.step), self.figure, self.status]

    def show_history(self, history: "xr.Dataset") -> None:
        """Explore another history, from its last step; the choices that still fit are kept."""
        layers, layer = [str(name) for name in history.layer.values], self.layer.value
        steps = [int(step) for step in history.snapshot.values]
        self.history = history
        self.layer.options, self.layer.value = layers, layer if layer in layers else layers[0]
        self.step.options, self.step.value = steps, steps[-1]
        self._changed()

    def _changed(self, _: Any = None) -> None:
        history, step = self.history, self.step.value  # once, as another thread may show another history
        layer, *form = (one.value for one in (self.layer, self.reading, self.membership, self.measure))
        steps = history.snapshot.values.tolist()
        if step in steps and layer in history.layer:
            self._push(history, layer, *form, steps.index(step))


class TimeFrames(Frames):
    """A slider over training that works without a kernel: pictures of a history drawn ahead.

    Args:
        history: That of a run of ``fit``.
        layer: The layer that is shown first, by default the first.
        reading: What "interval" means.
        membership: How a weight's membership is read.
        measure: The measure of fuzziness.
        most: How many steps of each layer are drawn at most, at least 2, evenly chosen; the last is shown
            first.
        progress: Whether to draw a bar while the pictures are drawn.
    """

    def __init__(
        self,
        history: "xr.Dataset",
        layer: str | None = None,
        reading: Reading = "layer",
        membership: Membership = "signed",
        measure: Measure = "entropy",
        most: int = 20,
        progress: bool = True,
    ):
        most = check_count("most", most, least=2)
        view, name = MinMaxView(), layer_name(history, layer)
        view.figure.set_dpi(DPI)  # before panels are laid out
        numbers = history.snapshot.values.tolist()
        chosen = [numbers[i] for i in recording_steps(len(numbers) - 1, most)]

        def draw(**choice: Choice) -> tuple[Figure, str]:
            at = numbers.index(choice[STEP])
            figure = view.show(history, str(choice[LAYER]), reading, membership, measure, at)
            return figure, view.caption

        layers = [str(one) for one in history.layer.values]
        axes, start = {LAYER: layers, STEP: chosen}, {LAYER: name, STEP: chosen[-1]}
        super().__init__(draw, axes, start, progress=progress)
