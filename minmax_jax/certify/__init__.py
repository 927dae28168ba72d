"""Certification: bounds that prove what no change of an image within a radius can do to a LeNet.

This folder may use the core, the data sets, the progress bars of ``jobs`` and the attacks' checks of inputs.
"""

from minmax_jax.certify.accuracy import verified as verified
from minmax_jax.certify.margins import interval_bounds as interval_bounds
from minmax_jax.certify.margins import margin_bounds as margin_bounds
from minmax_jax.theory import amplification as amplification
from minmax_jax.theory import amplification_parts as amplification_parts
from minmax_jax.theory import amplifications as amplifications

__all__ = [
    "amplification",
    "amplification_parts",
    "amplifications",
    "interval_bounds",
    "margin_bounds",
    "verified",
]
