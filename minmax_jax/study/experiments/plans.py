"""All experiments of the study by name, those first that others build on."""

from collections.abc import Mapping

from minmax_jax.study.experiments import (
    confirmation,
    crisp,
    dose,
    fidelity,
    observation,
    regularisation,
    robust,
    search,
    theory,
    transplants,
)
from minmax_jax.study.experiments.factorial import Plan

PLANS: Mapping[str, Plan] = {
    name: plan
    for module in (
        observation,
        theory,
        fidelity,
        dose,
        transplants,
        crisp,
        regularisation,
        confirmation,
        search,
        robust,
    )
    for name, plan in module.PLANS.items()
}
