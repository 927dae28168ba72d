"""Experiments of the study in quick mode."""

from dataclasses import replace
from pathlib import Path

import xarray as xr

from minmax_jax.study.engine.result import read
from minmax_jax.study.engine.runner import run
from minmax_jax.study.experiments.plans import PLANS


def quick(name: str, folder: Path, **changes) -> xr.Dataset:
    """The table of an experiment, with changes of its quick setting."""
    plan = replace(PLANS[name], quick=replace(PLANS[name].quick, **changes))
    return read(run(plan.experiment(folder, quick=True), folder, "a test", progress=False)[0])
