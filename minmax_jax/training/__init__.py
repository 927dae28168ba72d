"""Training one model: ``fit``, its history, its checkpoints, optimisers, and the file of a trained LeNet.

It may use the core of the package (the files at its root), data, jobs and storage.
"""

from minmax_jax.training.fit import Diverged as Diverged
from minmax_jax.training.fit import Run as Run
from minmax_jax.training.fit import fit as fit
from minmax_jax.training.optimisers import ADAM as ADAM
from minmax_jax.training.progress import Progress as Progress
