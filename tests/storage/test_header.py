"""A header says what a file is; files of other formats and newer versions are refused by name."""

import numpy as np
import pytest

from helpers.refusal import refuses
from minmax_jax.storage.header import check_header, header

pytestmark = pytest.mark.versions

OURS = header("minmax_jax.Net", 2)


@pytest.mark.parametrize("found", [OURS, OURS | {"version": 1}, OURS | {"version": np.int32(2), "more": 3}])
def test_this_version_and_older_ones_pass(found):
    check_header("net.npz", found, "minmax_jax.Net", 2, "open reads nets")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "net.npz holds something else; open reads nets"),
        (["format"], "net.npz holds something else; open reads nets"),
        ({"format": 3}, "net.npz holds something else; open reads nets"),
        (OURS | {"format": "minmax_jax.Sweep"}, "net.npz holds a minmax_jax.Sweep; open reads nets"),
        (
            OURS | {"version": 3, "minmax_jax": "9.1"},
            "written by minmax_jax 9.1 in format 3, newer than format 2",
        ),
        ({"format": "minmax_jax.Net", "version": 3}, "net.npz was written in format 3, newer than format 2"),
        ({"format": "minmax_jax.Net"}, "in format None"),
        (OURS | {"version": "2"}, "in format 2"),
        (OURS | {"version": True}, "in format True"),
    ],
)
def test_others_are_refused_by_name(found, words):
    with refuses("net.npz", words):
        check_header("net.npz", found, "minmax_jax.Net", 2, "open reads nets")
