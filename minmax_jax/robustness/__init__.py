"""How robust a model is: accuracy under attack, and checks that the attacks were not led astray.

It uses the attacks, the core, data and jobs.
"""

from minmax_jax.robustness.masking import masking as masking
from minmax_jax.robustness.report import robustness as robustness
