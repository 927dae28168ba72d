"""Answers of a model, batch by batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minmax_jax.robustness.predictions import answers, batches


@given(st.integers(1, 40), st.integers(1, 12))
def test_batches_are_of_one_width_and_hold_each_row_once(rows, width):
    numbers = np.arange(rows) + 7
    parts = list(batches(numbers, width))
    assert {len(batch) for batch, _ in parts} == {width}
    np.testing.assert_array_equal(np.concatenate([batch[active] for batch, active in parts]), numbers)
    assert set(np.concatenate([batch for batch, _ in parts])) == set(numbers)


def brightest(images):
    """Classes are the four pixels of an image."""
    return images.reshape(len(images), -1)


@pytest.mark.parametrize("width", [1, 4, 10])
def test_answers_are_the_largest_logits_whatever_the_width(width):
    images = np.asarray(jax.random.uniform(jax.random.key(0), (10, 2, 2, 1)))
    np.testing.assert_array_equal(answers(brightest, (), images, width), images.reshape(10, 4).argmax(1))


def test_logits_that_are_no_numbers_are_counted_without_the_padding():
    images = np.zeros((5, 2, 2, 1), np.float32)
    images[4] = 1
    with pytest.raises(ValueError, match="NaN or infinite on 1 of 2 images"):
        answers(lambda x: jnp.where(x > 0, jnp.nan, x).reshape(len(x), -1), (), images, 3)
