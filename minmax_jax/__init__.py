"""The Min-Max property of convolutional networks: observe it, understand it, use it."""

from importlib import import_module as _import_module
from typing import Any as _Any

from minmax_jax import _moved, attacks, certify, defences, minmax, terms, units
from minmax_jax.convolution import Conv, convolve, patches, toeplitz
from minmax_jax.cpu.network import native
from minmax_jax.data import Dataset, Split, load
from minmax_jax.evaluation import accuracy
from minmax_jax.fuzziness import degree, degrees, fuzziness
from minmax_jax.intervals import Interval, interval, memberships
from minmax_jax.kernels import kernels
from minmax_jax.lenet import LeNet
from minmax_jax.objective import Objective
from minmax_jax.robustness import masking, robustness
from minmax_jax.storage.compilation import keep_compilations as _keep_compilations
from minmax_jax.sweeps import Sweep, SweepProgress, sweep
from minmax_jax.training import Diverged, Progress, Run, fit
from minmax_jax.training.optimisers import frozen, keep_in_interval
from minmax_jax.training.saved import open, save

__all__ = [
    "Conv",
    "Dataset",
    "Diverged",
    "Interval",
    "LeNet",
    "Objective",
    "Progress",
    "Run",
    "Split",
    "Sweep",
    "SweepProgress",
    "accuracy",
    "attacks",
    "certify",
    "convolve",
    "defences",
    "degree",
    "degrees",
    "fit",
    "frozen",
    "fuzziness",
    "interval",
    "keep_in_interval",
    "kernels",
    "load",
    "masking",
    "memberships",
    "minmax",
    "native",
    "open",
    "patches",
    "robustness",
    "save",
    "sweep",
    "terms",
    "toeplitz",
    "units",
]
# Imported when they are first named, as not everybody needs them: modules, and a function by its own.
_LAZY = {name: f"minmax_jax.{name}" for name in ("plots", "study", "widgets")}
_LAZY["report"] = "minmax_jax.publish.report"

_keep_compilations()


def __getattr__(name: str) -> _Any:
    if name in _LAZY or name in _moved.MOVED:
        module = _import_module(_LAZY.get(name, f"minmax_jax.{name}"))
        return module.report if name == "report" else module
    raise AttributeError(f"module 'minmax_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, and no others."""
    return sorted([*__all__, *_LAZY])
