"""The study as one command, ``python -m minmax_jax.study``; ``read`` opens what it wrote."""

from minmax_jax.study.cause import paired_effect as paired_effect
from minmax_jax.study.cause import rank_correlation as rank_correlation
from minmax_jax.study.gauge import alarms as alarms
from minmax_jax.study.regularisation import regularised as regularised
from minmax_jax.study.result import about as about
from minmax_jax.study.result import read as read
