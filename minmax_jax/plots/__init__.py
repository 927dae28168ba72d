"""Figures, one function each, which returns a matplotlib Figure and touches no global state.

It uses the study and all that the study uses. The modules ``*_view`` hold the figures of explorers.
"""

from minmax_jax.plots.dose import dose as dose
from minmax_jax.plots.observation import conditions as conditions
from minmax_jax.plots.overview import overview as overview
from minmax_jax.plots.penalties import arms as arms
from minmax_jax.plots.penalties import cause as cause
from minmax_jax.plots.penalties import network as network
from minmax_jax.plots.penalties import strength_curves as strength_curves
from minmax_jax.plots.robustness import robustness as robustness
from minmax_jax.plots.robustness import strengths as strengths
from minmax_jax.plots.run import fuzziness as fuzziness
from minmax_jax.plots.run import learning as learning
from minmax_jax.plots.run import minmax as minmax
from minmax_jax.plots.run import trajectories as trajectories
from minmax_jax.plots.theory import amplification as amplification
from minmax_jax.plots.theory import flow as flow
from minmax_jax.plots.theory import matrices as matrices
from minmax_jax.plots.theory import measures as measures
from minmax_jax.plots.theory import sharpening as sharpening
from minmax_jax.plots.theory import tile as tile
from minmax_jax.plots.theory_in_practice import drift as drift
from minmax_jax.plots.theory_in_practice import explained as explained
from minmax_jax.plots.why import filters as filters
from minmax_jax.plots.why import limits as limits
from minmax_jax.plots.why import unstable as unstable
from minmax_jax.plots.why import withstood as withstood
