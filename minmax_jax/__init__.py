"""The Min-Max property of convolutional networks: observe it, understand it, use it."""

from importlib import import_module as _import_module
from typing import Any as _Any

from minmax_jax import attacks as attacks
from minmax_jax import certify as certify
from minmax_jax import defences as defences
from minmax_jax import minmax as minmax
from minmax_jax.convolution import Conv as Conv
from minmax_jax.convolution import convolve as convolve
from minmax_jax.convolution import patches as patches
from minmax_jax.convolution import toeplitz as toeplitz
from minmax_jax.data import Dataset as Dataset
from minmax_jax.data import Split as Split
from minmax_jax.data import load as load
from minmax_jax.evaluation import accuracy as accuracy
from minmax_jax.fuzziness import degree as degree
from minmax_jax.fuzziness import degrees as degrees
from minmax_jax.fuzziness import fuzziness as fuzziness
from minmax_jax.intervals import Interval as Interval
from minmax_jax.intervals import interval as interval
from minmax_jax.intervals import memberships as memberships
from minmax_jax.kernels import kernels as kernels
from minmax_jax.lenet import LeNet as LeNet
from minmax_jax.objective import Objective as Objective
from minmax_jax.robustness import robustness as robustness
from minmax_jax.robustness.masking import masking as masking
from minmax_jax.storage import compilation as compilation
from minmax_jax.sweeps import sweep as sweep
from minmax_jax.sweeps.results import Sweep as Sweep
from minmax_jax.sweeps.workers import SweepProgress as SweepProgress
from minmax_jax.training import Diverged as Diverged
from minmax_jax.training import Progress as Progress
from minmax_jax.training import Run as Run
from minmax_jax.training import fit as fit
from minmax_jax.training.optimisers import keep_in_interval as keep_in_interval
from minmax_jax.training.saved import open as open
from minmax_jax.training.saved import save as save


def __getattr__(name: str) -> _Any:
    """Import ``plots``, ``study`` and ``widgets`` when they are first named: not everybody needs them."""
    if name in ("plots", "study", "widgets"):
        return _import_module(f"minmax_jax.{name}")
    raise AttributeError(f"module 'minmax_jax' has no attribute {name!r}")
