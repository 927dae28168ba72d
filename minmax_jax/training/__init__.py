"""Training one model: ``fit``, its history, its checkpoints and the file of a trained LeNet.

It uses the core, data, jobs and storage.
"""

from minmax_jax.training.fit import Diverged as Diverged
from minmax_jax.training.fit import Run as Run
from minmax_jax.training.fit import fit as fit
from minmax_jax.training.optimisers import ADAM as ADAM
from minmax_jax.training.progress import Progress as Progress
