"""Training many models at once: ``sweep``, a grid of objectives and seeds on all cores and devices.

It uses training and all that training uses.
"""

from minmax_jax.sweeps.results import Sweep as Sweep
from minmax_jax.sweeps.sweep import sweep as sweep
from minmax_jax.sweeps.workers import SweepProgress as SweepProgress
