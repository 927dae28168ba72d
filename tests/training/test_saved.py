"""A LeNet in a file comes back bit for bit; anything else is refused by name."""

import json
import os

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import minmax_jax as mm
from helpers.refusal import refuses
from helpers.small import Norm, lenet, same_weights
from minmax_jax.storage import archive
from minmax_jax.training.saved import parameters, with_parameters

logits = nnx.jit(lambda model, images: model(images))


@pytest.fixture
def file(tmp_path):
    return mm.save(lenet(), tmp_path / "lenet.npz")


@given(
    shape=st.tuples(st.integers(12, 33), st.integers(12, 33), st.integers(1, 3)),
    classes=st.integers(2, 12),
    variant=st.sampled_from(("modern", "classic")),
    seed=st.integers(0, 9),
)
@settings(max_examples=4)  # each shape compiles anew
def test_what_is_saved_is_opened(tmp_path_factory, shape, classes, variant, seed):
    model = mm.LeNet(shape, classes, variant, rngs=nnx.Rngs(seed))
    file = mm.save(model, tmp_path_factory.mktemp("saved") / "lenet")
    opened = mm.open(file)
    assert same_weights(model, opened)
    assert (opened.variant, opened.image_shape) == (variant, shape)
    images = np.random.default_rng(seed).random((3, *shape), np.float32)
    np.testing.assert_array_equal(logits(model, images), logits(opened, images))
    assert list(file.parent.iterdir()) == [file]


def test_the_path_may_be_a_text_and_is_returned(tmp_path):
    file = mm.save(lenet(), str(tmp_path / "a.b"))
    assert file == tmp_path / "a.b" and same_weights(mm.open(str(file)), lenet())


def test_a_later_save_counts_and_a_failing_one_does_not(file, monkeypatch):
    mm.save(lenet(1), file)
    assert same_weights(mm.open(file), lenet(1))

    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="no space left"):
        mm.save(lenet(2), file)
    assert same_weights(mm.open(file), lenet(1)) and list(file.parent.iterdir()) == [file]


def test_an_opened_model_is_built_like_a_new_one_in_evaluation_mode(file):
    model = lenet()
    model.eval()
    assert nnx.graphdef(mm.open(file)) == nnx.graphdef(model)


def test_the_file_says_what_it_is(file):
    arrays, about = archive.read(file)
    assert set(arrays) == {
        f"{layer}.{kind}"
        for layer in ("conv1", "conv2", "dense1", "dense2", "dense3")
        for kind in ("kernel", "bias")
    }
    known = {"format": "minmax_jax.LeNet", "version": 1, "classes": 10, "variant": "modern"}
    assert json.loads(about).items() >= known.items()


def test_other_models_are_not_saved(tmp_path):
    class Own(mm.LeNet):
        """Whatever it changes would be lost."""

    for model in (Norm(nnx.Rngs(0)), Own(rngs=nnx.Rngs(0)), 3):
        with refuses("model is a", type(model).__name__, "LeNet", error=TypeError):
            mm.save(model, tmp_path / "file")
    changed = lenet()
    changed.dense2 = nnx.Linear(120, 84, use_bias=False, rngs=nnx.Rngs(0))
    with refuses("lacks dense2.bias"):
        mm.save(changed, tmp_path / "file")
    infinite = lenet()
    infinite.conv2.bias[...] = infinite.conv2.bias[...].at[0].set(jnp.inf)
    with refuses("conv2.bias has NaN or infinite"):
        mm.save(infinite, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_unfit_paths_are_named(tmp_path):
    with refuses(tmp_path, "a folder", error=IsADirectoryError):
        mm.save(lenet(), tmp_path)
    with refuses("no folder", tmp_path / "none", error=FileNotFoundError):
        mm.save(lenet(), tmp_path / "none" / "file")
    with refuses(tmp_path, "a folder"):
        mm.open(tmp_path)
    with refuses(tmp_path / "none", error=FileNotFoundError):
        mm.open(tmp_path / "none")
    for call in (lambda: mm.open(3), lambda: mm.save(lenet(), None)):
        with refuses("path is", error=TypeError):
            call()


def write_text(file):
    file.write_text("# Notes\n", encoding="utf-8")


def cut_off(file):
    os.truncate(file, file.stat().st_size // 2)


def damage(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (write_text, "is no .npz archive"),
        (cut_off, "is cut off or damaged"),
        (damage, "is damaged in"),
        (lambda file: np.savez(file, x=1), "written by another program"),
        (lambda file: archive.write(file, {"x": np.zeros(3)}), "holds something else"),
        (lambda file: archive.write(file, {}, "notes"), "holds something else"),
        (lambda file: archive.write(file, {}, '["a list"]'), "holds something else"),
        (lambda file: archive.write(file, {}, '{"format": "minmax_jax.Sweep"}'), "holds a minmax_jax.Sweep"),
    ],
)
def test_other_files_are_named(file, change, words):
    change(file)
    with refuses(file, words):
        mm.open(file)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 2, "minmax_jax": "9.1"}, ["written by minmax_jax 9.1 in format 2, newer than format 1"]),
        ({"version": None}, ["format None"]),
        ({"classes": 1}, ["describes no LeNet", "classes is 1"]),
        ({"classes": "ten"}, ["describes no LeNet", "'ten'"]),
        ({"image_shape": [28, 28]}, ["describes no LeNet", "image_shape"]),
        ({"image_shape": 28}, ["describes no LeNet", "image_shape"]),
        ({"variant": ["modern"]}, ["describes no LeNet", "variant"]),
        ({"variant": "baroque"}, ["describes no LeNet", "baroque"]),
        ({"classes": 9}, ["dense3.bias is float32 of shape (10,), not float32 of shape (9,)"]),
    ],
)
def test_other_descriptions_are_named(file, changes, words):
    arrays, about = archive.read(file)
    archive.write(file, arrays, json.dumps(json.loads(about) | changes))
    with refuses(file, *words):
        mm.open(file)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conv1.bias": None}, "lacks conv1.bias"),
        ({"conv3.bias": np.zeros(6, np.float32)}, "no conv3.bias"),
        ({"conv1.bias": np.zeros((6, 1), np.float32)}, "conv1.bias is float32 of shape (6, 1)"),
        ({"conv1.bias": np.zeros(6)}, "conv1.bias is float64"),
        ({"conv1.bias": np.full(6, np.nan, np.float32)}, "conv1.bias has NaN"),
    ],
)
def test_other_arrays_are_named(file, changes, words):
    arrays, about = archive.read(file)
    changed = {name: array for name, array in (arrays | changes).items() if array is not None}
    archive.write(file, changed, about)
    with refuses(file, words):
        mm.open(file)


def test_parameters_go_from_one_model_to_another():
    moved = with_parameters(lenet(1), parameters(lenet(0)))
    assert same_weights(moved, lenet(0)) and not same_weights(moved, lenet(1))
    assert list(parameters(lenet())) == [
        f"{layer}.{part}"
        for layer in ("conv1", "conv2", "dense1", "dense2", "dense3")
        for part in ("bias", "kernel")
    ]
