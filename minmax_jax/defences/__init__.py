"""Defences: losses that take the place of cross-entropy in training, ``mm.Objective(defence=...)``.

This folder may use certification, the attacks, the core and the data sets.
"""

from minmax_jax.defences.adversarial import Adversarial as Adversarial
from minmax_jax.defences.adversarial import fast_adversarial as fast_adversarial
from minmax_jax.defences.ibp import IBP as IBP
from minmax_jax.defences.recipe import recipe as recipe
from minmax_jax.defences.trades import TRADES as TRADES
from minmax_jax.objective import Measured as Measured

__all__ = ["IBP", "TRADES", "Adversarial", "Measured", "fast_adversarial", "recipe"]
