"""The arrays that functions take: jax's, and numpy's."""

import jax
import numpy as np

AnyArray = jax.Array | np.ndarray
