"""Checks of arguments: each error names the argument, says what it must be, and what was given.

Where there is a cure, the error says it too. This folder uses nothing else of the package.
"""

from minmax_jax.checks.arguments import AnyArray as AnyArray
from minmax_jax.checks.arguments import as_names as as_names
from minmax_jax.checks.arguments import check_flag as check_flag
from minmax_jax.checks.arguments import check_module as check_module
from minmax_jax.checks.arguments import check_type as check_type
from minmax_jax.checks.arguments import is_known as is_known
from minmax_jax.checks.arguments import is_linen as is_linen
from minmax_jax.checks.arguments import items as items
from minmax_jax.checks.arguments import kind as kind
from minmax_jax.checks.arguments import one_of as one_of
from minmax_jax.checks.arrays import FLOATS as FLOATS
from minmax_jax.checks.arrays import as_array as as_array
from minmax_jax.checks.arrays import as_ends as as_ends
from minmax_jax.checks.arrays import as_key as as_key
from minmax_jax.checks.arrays import as_pair as as_pair
from minmax_jax.checks.arrays import as_strides as as_strides
from minmax_jax.checks.arrays import as_weight as as_weight
from minmax_jax.checks.labels import instead_of_labels as instead_of_labels
from minmax_jax.checks.numbers import LARGEST as LARGEST
from minmax_jax.checks.numbers import SEEDS as SEEDS
from minmax_jax.checks.numbers import check_count as check_count
from minmax_jax.checks.numbers import check_finite as check_finite
from minmax_jax.checks.numbers import check_least as check_least
from minmax_jax.checks.numbers import check_number as check_number
from minmax_jax.checks.numbers import check_positive as check_positive
from minmax_jax.checks.numbers import plain as plain
