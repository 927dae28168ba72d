"""A split checks its arrays, keeps them from changes, and selects images with their labels."""

import copy
import dataclasses
import pickle

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.refusal import refuses
from minmax_jax.data import Dataset, Split

pytestmark = pytest.mark.versions

IMAGES = np.linspace(0, 1, 5 * 4 * 3 * 2, dtype=np.float32).reshape(5, 4, 3, 2)
LABELS = np.array([0, 2, 1, 1, 0])


@pytest.fixture
def split() -> Split:
    return Split(IMAGES, LABELS)


def test_keeps_what_it_is_given(split):
    for same in (split, Split(jnp.asarray(IMAGES), jnp.asarray(LABELS))):
        np.testing.assert_array_equal(same.images, IMAGES)
        np.testing.assert_array_equal(same.labels, LABELS)
        assert (same.images.dtype, same.labels.dtype) == (np.float32, np.int32)
    assert len(split) == 5
    assert repr(split) == "Split(5 images of 4 x 3 x 2, float32 in [0, 1])"


COPIES = {
    "itself": lambda one: one,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": lambda one, n=n: pickle.loads(pickle.dumps(one, n)) for n in range(6)},
    "replace": dataclasses.replace,
}


def out_of_band(one):
    """A pickle whose arrays lie in memory that others can write to."""
    buffers = []
    text = pickle.dumps(one, 5, buffer_callback=buffers.append)
    return text, [bytearray(buffer.raw()) for buffer in buffers]


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("wrapped", [False, True])
def test_copies_are_as_immutable(split, how, wrapped):
    one = COPIES[how](Dataset("some", split, split)).train if wrapped else COPIES[how](split)
    np.testing.assert_array_equal(one.images, IMAGES)
    np.testing.assert_array_equal(one.labels, LABELS)
    for array in (one.images, one.labels, one[1:].images, one[[2, 0]].labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
    with pytest.raises(AttributeError):
        one.images = IMAGES


def test_memory_that_others_hold_is_not_shared_with_a_pickle_or_a_view(split):
    text, buffers = out_of_band(split)
    own = bytearray(IMAGES.tobytes())
    view = np.frombuffer(memoryview(own).toreadonly(), np.float32).reshape(IMAGES.shape)
    found = pickle.loads(text, buffers=buffers), Split(view, LABELS)
    for buffer in (*buffers, own):
        buffer[:] = bytes(len(buffer))
    for one in found:
        np.testing.assert_array_equal(one.images, IMAGES)


@pytest.mark.parametrize("labels_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("read_only_view", [False, True])
def test_later_writes_by_the_caller_do_not_reach_it(labels_dtype, read_only_view):
    owned = IMAGES.copy(), LABELS.astype(labels_dtype)
    given_arrays = [array[...] for array in owned]
    for array in given_arrays:
        array.flags.writeable = not read_only_view
    split = Split(*given_arrays)
    for array in owned:
        array[:] = 0
    np.testing.assert_array_equal(split.images, IMAGES)
    np.testing.assert_array_equal(split.labels, LABELS)
    assert owned[0].flags.writeable  # and the caller's own array stays as it was


def test_immutable_arrays_are_shared_not_copied(split):
    again = Split(split.images[1:], split.labels[1:])
    assert np.shares_memory(again.images, split.images)
    assert np.shares_memory(split[1:3].images, split.images)


@given(
    st.one_of(
        st.slices(5),
        hnp.arrays(np.int64, st.integers(0, 7), elements=st.integers(-5, 4)),
        hnp.arrays(np.bool_, 5),
    )
)
def test_slices_and_indices_select_images_with_their_labels(index):
    split = Split(IMAGES, LABELS)
    if not len(LABELS[index]):
        with refuses("the index of a Split must select at least one of 5"):
            split[index]
        return
    part = split[index]
    np.testing.assert_array_equal(part.images, IMAGES[index])
    np.testing.assert_array_equal(part.labels, LABELS[index])
    assert not part.images.flags.writeable and not part.labels.flags.writeable


@pytest.mark.parametrize("index", [0, np.int64(1), None, (0, 1)])
def test_a_single_image_is_no_split(split, index):
    with pytest.raises((TypeError, IndexError)):
        split[index]
    with refuses("must be a slice or an array of indices", error=TypeError):
        list(split)


@given(hnp.arrays(np.uint8, (3, 2, 2, 1)))
def test_bytes_become_exactly_their_255th(pixels):
    split = Split.from_bytes(pixels, np.array([0, 1, 2]))
    expected = pixels.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(split.images, expected)
    np.testing.assert_array_equal(Split(expected, split.labels).images, split.images)
    with pytest.raises(ValueError, match="WRITEABLE"):
        split.images.flags.writeable = True


@given(st.floats(width=32))
def test_takes_exactly_the_values_in_0_to_1(value):
    images = IMAGES.copy()
    images[2, 1, 0, 1] = value
    if 0 <= value <= 1:
        assert Split(images, LABELS).images[2, 1, 0, 1] == np.float32(value)
    else:
        with refuses("images must be in [0, 1], got values from", "divide bytes by 255"):
            Split(images, LABELS)
