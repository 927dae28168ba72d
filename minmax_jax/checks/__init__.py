"""Checks of arguments: each error names the argument, says what it must be, and what was given.

Where there is a cure, the error says it too. This folder uses nothing else of the package.
"""

from minmax_jax.checks.arguments import AnyArray as AnyArray
from minmax_jax.checks.arguments import check_module as check_module
from minmax_jax.checks.arguments import check_type as check_type
from minmax_jax.checks.arguments import is_known as is_known
from minmax_jax.checks.arguments import is_linen as is_linen
from minmax_jax.checks.arguments import kind as kind
from minmax_jax.checks.arguments import one_of as one_of
from minmax_jax.checks.labels import instead_of_labels as instead_of_labels
from minmax_jax.checks.numbers import SEEDS as SEEDS
from minmax_jax.checks.numbers import check_count as check_count
from minmax_jax.checks.numbers import check_least as check_least
from minmax_jax.checks.numbers import check_number as check_number
from minmax_jax.checks.numbers import check_positive as check_positive
from minmax_jax.checks.numbers import plain as plain
