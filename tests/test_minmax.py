"""Statistics of the Min-Max property on histories with a known answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minmax_jax.minmax import membership_course, moved_away, summary
from small import run


def test_moved_away_by_hand():
    mu = np.array([[0.5, 0.4, 0.9, 0.0], [0.6, 0.6, 0.5, 0.0], [1.0, 0.0, 1.0, 1.0]])
    # second row: farther; equal; nearer; equal. third row: farther, farther, farther, equal
    assert moved_away(mu) == pytest.approx([0.5, (1 + 0.5 + 0 + 0.5) / 4, 3.5 / 4])


@given(arrays(np.float64, (3, 20), elements=st.floats(0, 1)))
def test_moved_away_is_a_share_and_half_at_the_start(mu):
    share = moved_away(mu)
    assert share[0] == 0.5
    assert ((share >= 0) & (share <= 1)).all()


def test_wandering_from_the_centre_is_no_tendency():
    """Noise e added to w of N(0, 1) about a fixed centre: P = 1/2 + atan(s / 2) / pi for e of N(0, s^2)."""
    random = np.random.default_rng(0)
    for scale in (0.1, 1.0):
        w = random.normal(size=400_000)
        mu = 0.5 + np.stack([w, w + scale * random.normal(size=w.size)]) / 100
        assert moved_away(mu)[1] == pytest.approx(0.5 + np.arctan(scale / 2) / np.pi, abs=3e-3)


@pytest.fixture(scope="module")
def history():
    return run().history


def test_memberships_average_to_the_recorded_fuzziness(history):
    for reading in ("layer", "filter", "fixed", "trajectory"):
        for membership in ("signed", "magnitude"):
            mu = membership_course(history, "conv2", reading, membership)
            assert mu.shape == (11, 2400)
            expected = history.fuzziness.sel(
                layer="conv2", reading=reading, membership=membership, measure="quadratic"
            )
            np.testing.assert_allclose((4 * mu * (1 - mu)).mean(1), expected, atol=1e-5)


def test_linear_fuzziness_is_one_minus_the_mean_distance(history):
    """mean abs(2 mu - 1) = 1 - F for the linear measure."""
    mu = membership_course(history, "conv1")
    linear = history.fuzziness.sel(layer="conv1", reading="layer", membership="signed", measure="linear")
    np.testing.assert_allclose(np.abs(2 * mu - 1).mean(1), 1 - linear, atol=1e-5)


def test_summary_is_start_end_and_share(history):
    table = summary(history, "linear")
    assert table.sizes == {"layer": 2, "reading": 4, "membership": 2}
    np.testing.assert_allclose(table.change, table.end - table.start)
    cell = table.sel(layer="conv2", reading="fixed", membership="magnitude")
    mu = membership_course(history, "conv2", "fixed", "magnitude")
    assert float(cell.moved_away) == moved_away(mu)[-1]
    assert len(table.to_dataframe()) == 16


def test_an_unknown_layer_is_named(history):
    with pytest.raises(ValueError, match="layer is 'conv7'; it takes one of"):
        membership_course(history, "conv7")
