"""The controls of the playground, and the choice that they make."""

from typing import Any, get_args

import ipywidgets

from minmax_jax.fuzziness import MEASURES
from minmax_jax.intervals import MEMBERSHIPS
from minmax_jax.lenet import Variant
from minmax_jax.objective import TRAINABLE_READINGS
from minmax_jax.study.design.condition import Optimiser
from minmax_jax.widgets.dropdown import dropdown
from minmax_jax.widgets.play import Play
from minmax_jax.widgets.steps import steps

DATASETS = ("mnist", "fashion_mnist")
STRENGTHS = (-100.0, -30.0, -10.0, -3.0, 0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
RADII = (0.0, 0.05, 0.1, 0.2, 0.3)


class PlayForm(ipywidgets.VBox):
    """Lists and sliders for every field of a ``Play``; ``choice`` is what they say, ``controls`` by field."""

    def __init__(self, start: Play) -> None:
        self.images = start.images
        lists: dict[str, tuple[str, tuple[str, ...]]] = {
            "dataset": ("dataset", tuple(dict.fromkeys((*DATASETS, start.dataset)))),
            "variant": ("network", get_args(Variant)),
            "optimiser": ("optimiser", get_args(Optimiser)),
            "reading": ("λ reading", TRAINABLE_READINGS),
            "membership": ("λ membership", MEMBERSHIPS),
            "measure": ("λ measure", MEASURES),
        }
        self.controls: dict[str, Any] = {
            field: dropdown(name, options, getattr(start, field), width="220px")
            for field, (name, options) in lists.items()
        }
        self.controls |= {
            "strength": steps("strength λ of fuzziness", STRENGTHS, float(start.strength)),
            "eps": steps("adversarial training, eps", RADII, float(start.eps)),
            "epochs": _whole("epochs", start.epochs, 1, 20),
            "seed": _whole("seed", start.seed, 0, 99),
        }
        rows = (
            ("dataset", "variant", "optimiser"),
            ("strength",),
            ("reading", "membership", "measure"),
            ("eps", "epochs", "seed"),
        )
        super().__init__([ipywidgets.HBox([self.controls[field] for field in row]) for row in rows])

    @property
    def choice(self) -> Play:
        """What the controls say."""
        return Play(images=self.images, **{field: control.value for field, control in self.controls.items()})


def _whole(name: str, start: int, least: int, most: int) -> ipywidgets.BoundedIntText:
    return ipywidgets.BoundedIntText(
        value=start, min=least, max=max(most, start), description=name, layout={"width": "160px"}
    )
