"""The study as one command, ``python -m minmax_jax.study``; ``read`` opens what it wrote."""

from minmax_jax.study.agreement import agreement as agreement
from minmax_jax.study.cause import changed_fuzziness as changed_fuzziness
from minmax_jax.study.cause import companions as companions
from minmax_jax.study.cause import hardening as hardening
from minmax_jax.study.cause import paired_effect as paired_effect
from minmax_jax.study.gauge import alarms as alarms
from minmax_jax.study.regularisation import regularised as regularised
from minmax_jax.study.result import about as about
from minmax_jax.study.result import read as read
from minmax_jax.study.robust import robust_lenet as robust_lenet
from minmax_jax.study.verdict import attack_effects as attack_effects
from minmax_jax.study.verdict import minmax_effects as minmax_effects
