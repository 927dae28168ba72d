"""Labelled images: data sets by name, or from arrays of your own.

It uses storage and the checks of arguments.
"""

from minmax_jax.data.dataset import Dataset as Dataset
from minmax_jax.data.dataset import load as load
from minmax_jax.data.split import Split as Split
