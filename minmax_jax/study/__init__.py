"""The study as one command, ``python -m minmax_jax.study``; ``read`` opens what it wrote."""

from minmax_jax.study.analysis.agreement import agreement as agreement
from minmax_jax.study.analysis.cause import changed_fuzziness as changed_fuzziness
from minmax_jax.study.analysis.cause import companions as companions
from minmax_jax.study.analysis.cause import hardening as hardening
from minmax_jax.study.analysis.cause import paired_effect as paired_effect
from minmax_jax.study.analysis.verdict import attack_effects as attack_effects
from minmax_jax.study.analysis.verdict import minmax_effects as minmax_effects
from minmax_jax.study.engine.result import about as about
from minmax_jax.study.engine.result import read as read
from minmax_jax.study.experiments.measurements import alarms as alarms
from minmax_jax.study.experiments.regularisation import regularised as regularised
from minmax_jax.study.experiments.robust import robust_lenet as robust_lenet
