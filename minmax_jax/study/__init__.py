"""The study: its design, its experiments (``python -m minmax_jax.study`` runs them), and what they found.

It may use everything but what draws; ``read`` opens a result file, and the other names read off results.
"""

from typing import Any
from warnings import warn

from minmax_jax.study.analysis.cause import adversarial_training_effect as adversarial_training_effect
from minmax_jax.study.analysis.cause import changed_fuzziness as changed_fuzziness
from minmax_jax.study.analysis.cause import paired_effect as paired_effect
from minmax_jax.study.analysis.findings import verdict_table as verdict_table
from minmax_jax.study.analysis.practice import agreement as agreement
from minmax_jax.study.analysis.verdict import minmax_effects as minmax_effects
from minmax_jax.study.engine.result import about as about
from minmax_jax.study.engine.result import read as read
from minmax_jax.study.experiments.measurements import alarms as alarms
from minmax_jax.study.experiments.regularisation import regularised as regularised
from minmax_jax.study.experiments.robust import robust_lenet as robust_lenet

RENAMED = {"hardening": "adversarial_training_effect"}  # for one version


def __getattr__(name: str) -> Any:
    """A name of the version before, with a warning that tells the new one."""
    if name not in RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    new = RENAMED[name]
    warn(f"mm.study.{name} is now mm.study.{new}", DeprecationWarning, stacklevel=2)
    return globals()[new]
