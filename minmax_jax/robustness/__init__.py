"""How robust a model is: its accuracy under attack, checks that the attacks were not misled, stable units.

This folder may use the attacks, the core, the data sets and the progress bars and threads of ``jobs``.
"""

from minmax_jax.robustness.bootstrap import bootstrap_interval as bootstrap_interval
from minmax_jax.robustness.masking import masking as masking
from minmax_jax.robustness.one_image import attack_one as attack_one
from minmax_jax.robustness.report import robustness as robustness

__all__ = ["attack_one", "bootstrap_interval", "masking", "robustness"]
