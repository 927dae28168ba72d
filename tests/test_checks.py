"""Checks say which argument, what it got and what it takes."""

import jax
import numpy as np
import pytest

from helpers.refusal import refuses
from minmax_jax.checks import check_count, check_type, is_known, one_of


def test_one_of_several_names():
    assert one_of("reading", "layer", ("layer", "filter")) == "layer"
    with refuses("reading is 'row'; it takes one of ('layer', 'filter')"):
        one_of("reading", "row", ("layer", "filter"))


@pytest.mark.parametrize("got", [1, np.int64(3)])
def test_a_count_in_range(got):
    check_count("epochs", got, most=3)


@pytest.mark.parametrize("got", [1.0, "1", None, True])
def test_what_is_no_count(got):
    with refuses(f"epochs is {got!r}; it takes an int", error=TypeError):
        check_count("epochs", got)


def test_a_count_out_of_range():
    with refuses("epochs is 0; it takes at least 1"):
        check_count("epochs", 0)
    with refuses("seed is 7; it takes 0 to 6"):
        check_count("seed", 7, 0, 6)


def test_a_type():
    check_type("model", 1, int)
    with refuses("model is a str; it takes a builtins.int", error=TypeError):
        check_type("model", "x", int)


def test_values_are_unknown_inside_a_transformation():
    seen = []
    jax.jit(lambda x: seen.append(is_known(x)) or x)(1.0)
    assert seen == [False] and is_known(1.0)
