"""Explorers for notebooks: figures that follow sliders, train, attack, and show errors in place.

It uses plots, the study, robustness, attacks, training, data and the core.
"""

from minmax_jax.widgets.arms import ArmExplorer as ArmExplorer
from minmax_jax.widgets.attack import AttackExplorer as AttackExplorer
from minmax_jax.widgets.field import DrawingField as DrawingField
from minmax_jax.widgets.figure import FigureImage as FigureImage
from minmax_jax.widgets.frames import Frames as Frames
from minmax_jax.widgets.job import Job as Job
from minmax_jax.widgets.kernel import KernelExplorer as KernelExplorer
from minmax_jax.widgets.latest import Latest as Latest
from minmax_jax.widgets.penalty import PenaltyExplorer as PenaltyExplorer
from minmax_jax.widgets.play import Play as Play
from minmax_jax.widgets.playground import Playground as Playground
from minmax_jax.widgets.status import Status as Status
from minmax_jax.widgets.strength import StrengthExplorer as StrengthExplorer
from minmax_jax.widgets.time import TimeExplorer as TimeExplorer
from minmax_jax.widgets.time import TimeFrames as TimeFrames
from minmax_jax.widgets.unit import UnitExplorer as UnitExplorer
