"""A plainly trained network for the checks for masking, whose adversarial images are tried on all others."""

from dataclasses import replace

from minmax_jax.jobs.once import once
from minmax_jax.lenet import LeNet
from minmax_jax.study.design.condition import REFERENCE
from minmax_jax.study.design.data import study_data
from minmax_jax.study.engine.experiment import network
from minmax_jax.training import fit

SEED = 1000  # apart from those that are reported


@once
def rival(dataset: str, small: bool) -> LeNet:
    """The reference trained on a data set for one epoch."""
    start = replace(REFERENCE, dataset=dataset).model(SEED, small)
    return network(fit(start, study_data(dataset, small).data, seed=SEED, progress=False))
