"""Labels that are no class numbers: what to give instead."""

from typing import Any

import jax.numpy as jnp
import numpy as np


def instead_of_labels(labels: Any, name: str = "labels") -> str:
    """What to give instead of labels that are no class numbers (n,), to end an error message with."""
    if np.ndim(labels) == 2:
        cure = f"{name}[:, 0]" if labels.shape[1] == 1 else f"{name}.argmax(-1) where they are one-hot"
    elif np.ndim(labels) == 1 and (jnp.issubdtype(labels.dtype, jnp.floating) or labels.dtype == bool):
        cure = f"{name}.astype(int)"
    elif np.ndim(labels) == 1:  # texts, objects, numbers below 0
        cure = f"np.unique({name}, return_inverse=True)[1], which numbers the classes"
    else:
        return ""
    return f"; give {cure}"
