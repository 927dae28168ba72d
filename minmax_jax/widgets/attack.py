"""An explorer that attacks one image: of a data set, or drawn by hand."""

import threading
from typing import Any

import ipywidgets
import numpy as np

from minmax_jax.checks import check_type
from minmax_jax.data import Dataset
from minmax_jax.evaluation import Model, split_model
from minmax_jax.plots.attack_view import AttackView
from minmax_jax.robustness import attack_one
from minmax_jax.widgets.controls import dropdown, radius, row
from minmax_jax.widgets.explorer import DrawnExplorer
from minmax_jax.widgets.field import MOST_SIDE, DrawingField
from minmax_jax.widgets.figure import FigureImage

ATTACKS = ("pgd", "fgsm", "momentum", "apgd", "noise")  # fast enough for a slider
PICKED, DRAWN = "test image", "my drawing"


class AttackExplorer(DrawnExplorer):
    """Attack one image of ``data.test``, or one drawn by hand, and see what ``model`` answers.

    ``model`` is any jittable function from images to logits; a Flax module is attacked in evaluation mode.
    Sliders choose the image and the L-inf radius eps; lists choose the attack and where the image comes
    from. A drawing has no label, so the attack is against the model's own answer. ``use`` switches to another
    model. Only square images of one channel, at most 280 pixels wide, can be drawn.
    """

    _view: AttackView

    def __init__(self, model: Model, data: Dataset):
        super().__init__()
        self._lock = threading.RLock()  # ``use`` may be called from another thread than the controls
        self.source = dropdown("image", [PICKED])
        self.number = ipywidgets.IntSlider(
            min=0, max=0, description="number", style={"description_width": "initial"}
        )
        self.attack = dropdown("attack", ATTACKS)
        self.eps = radius()
        self.wipe = ipywidgets.Button(description="Wipe out", icon="eraser", tooltip="Clear the drawing")
        self.field: DrawingField | None = None
        self._drawing = ipywidgets.HBox([])
        self._row = row(self.source, self.number, self.attack, self.eps)
        self.use(model, data)
        for control in (self.source, self.number, self.attack, self.eps):
            control.observe(self._guard(self._changed), "value")
        self.wipe.on_click(lambda _: self.field and self.field.clear())

    def use(self, model: Model, data: Dataset) -> None:
        """Attack another model, on other data."""
        split_model(model)  # what is no model is an error here, not in the worker
        check_type("data", data, Dataset)
        height, width, channels = data.image_shape
        drawable = height == width <= MOST_SIDE and channels == 1
        with self._lock:
            self.model, self.data = model, data
            if not hasattr(self, "figure") or self._view.class_names != data.class_names:
                self._use(AttackView(data.class_names))
                self.children = [self._row, self._drawing, self.figure, self.status]
            if drawable and (self.field is None or self.field.side != height):
                self.field = DrawingField(height)
                self.field.observe(self._guard(self._changed), "pixels")
            self.number.max = len(data.test) - 1
            sources = [PICKED, DRAWN] if drawable else [PICKED]
            if list(self.source.options) != sources:
                self.source.options = sources
            self._changed()

    def _changed(self, _: Any = None) -> None:
        with self._lock:
            field = self.field if self.source.value == DRAWN else None
            self.number.disabled = field is not None
            self._drawing.children = [] if field is None else [field, self.wipe]
            if field is not None:
                image, label = field.image, None
            else:
                image = np.asarray(self.data.test.images[self.number.value])
                label = int(self.data.test.labels[self.number.value])
            # All of one moment, as ``use`` may change view and model while the worker draws.
            shown = self._view, self.figure
            self._push(*shown, self.model, image, label, float(self.eps.value), self.attack.value)

    def _draw(
        self,
        view: AttackView,
        figure: FigureImage,
        model: Model,
        image: np.ndarray,
        label: int | None,
        eps: float,
        attack: str,
    ) -> None:
        self.status.info("Attacking…")  # the first time, an attack is compiled
        moved, logits = attack_one(model, image, label, eps, attack)
        view.show(image, moved, logits, label, eps, attack)
        figure.refresh(view.caption)
