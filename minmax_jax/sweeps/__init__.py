"""Training many models at once: ``sweep``, a grid of objectives and seeds on all cores, devices and hosts.

It may use training and what lies below: the core, data, jobs and storage.
"""

from minmax_jax.sweeps.progress import SweepProgress as SweepProgress
from minmax_jax.sweeps.results import Sweep as Sweep
from minmax_jax.sweeps.sweep import sweep as sweep
