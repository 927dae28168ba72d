"""Checks say which argument, what it got and what it takes."""

import jax
import numpy as np
import pytest

from helpers.refusal import refuses
from minmax_jax.checks import check_count, check_type, is_known, one_of


def test_one_of_several_names():
    assert one_of("reading", "layer", ("layer", "filter")) == "layer"
    with refuses("reading must be one of ('layer', 'filter'), got 'row'"):
        one_of("reading", "row", ("layer", "filter"))


@pytest.mark.parametrize("got", [1, np.int64(3)])
def test_a_count_in_range(got):
    check_count("epochs", got, most=3)


@pytest.mark.parametrize("got", [1.0, "1", None, True])
def test_what_is_no_count(got):
    with refuses(f"epochs must be an int, got {got!r}", error=TypeError):
        check_count("epochs", got)


def test_a_count_out_of_range():
    with refuses("epochs must be at least 1, got 0"):
        check_count("epochs", 0)
    with refuses("seed must be in [0, 6], got 7"):
        check_count("seed", 7, 0, 6)


def test_a_type():
    check_type("model", 1, int)
    with refuses("model must be an int, got a str", error=TypeError):
        check_type("model", "x", int)


def test_values_are_unknown_inside_a_transformation():
    seen = []
    jax.jit(lambda x: seen.append(is_known(x)) or x)(1.0)
    assert seen == [False] and is_known(1.0)
