"""A LeNet in a file comes back bit for bit; anything else is refused by name."""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import minmax_jax as mm
from helpers.refusal import refuses
from helpers.small import Norm, lenet, same_weights
from minmax_jax.storage import archive
from minmax_jax.training.saved import parameters, with_parameters

pytestmark = pytest.mark.versions

logits = nnx.jit(lambda model, images: model(images))


@pytest.fixture
def file(tmp_path):
    return mm.save(lenet(), tmp_path / "lenet.npz")


@pytest.mark.parametrize(
    ("shape", "classes", "variant", "initialiser"),
    [((28, 28, 1), 10, "modern", "lecun"), ((12, 33, 3), 2, "classic", "torch")],
)
def test_what_is_saved_is_opened(tmp_path, shape, classes, variant, initialiser):
    model = mm.LeNet(shape, classes, variant, initialiser=initialiser, rngs=nnx.Rngs(classes))
    file = mm.save(model, str(tmp_path / "a.b"))
    opened = mm.open(str(file))
    assert same_weights(model, opened) and file == tmp_path / "a.b"
    images = np.random.default_rng(0).random((3, *shape), np.float32)
    np.testing.assert_array_equal(logits(model, images), logits(opened, images))
    model.eval()
    assert nnx.graphdef(opened) == nnx.graphdef(model)
    assert list(tmp_path.iterdir()) == [file]


def test_the_file_says_what_it_is(file):
    arrays, about = archive.read(file)
    assert list(arrays) == list(parameters(lenet())) and arrays["conv1.kernel"].shape == (5, 5, 1, 6)
    known = {"format": "minmax_jax.LeNet", "version": 1, "classes": 10, "variant": "modern"}
    assert json.loads(about).items() >= (known | {"initialiser": "lecun"}).items()


def test_a_file_from_before_there_was_a_choice_of_initialisers_opens(file):
    arrays, about = archive.read(file)
    before = {name: value for name, value in json.loads(about).items() if name != "initialiser"}
    archive.write(file, arrays, json.dumps(before))
    opened = mm.open(file)
    assert same_weights(opened, lenet()) and opened.initialiser == "lecun"


def test_parameters_go_from_one_model_to_another():
    moved = with_parameters(lenet(1), parameters(lenet(0)))
    assert same_weights(moved, lenet(0)) and not same_weights(moved, lenet(1))


class Own(mm.LeNet):
    """What it changes is in no file, but in its code."""


def unbiased() -> mm.LeNet:
    model = lenet()
    model.dense2 = nnx.Linear(120, 84, use_bias=False, rngs=nnx.Rngs(0))
    return model


def infinite() -> mm.LeNet:
    model = lenet()
    model.conv2.bias[...] = model.conv2.bias[...].at[0].set(jnp.inf)
    return model


def half() -> mm.LeNet:
    model = lenet()
    model.conv2.bias = nnx.Param(model.conv2.bias[...].astype(jnp.bfloat16))
    return model


@pytest.mark.parametrize(
    ("model", "path", "error", "words"),
    [
        (linen.Dense(2), "file", TypeError, "got a Dense; give nnx.bridge.ToNNX("),
        (3, "file", TypeError, "model must be a flax.nnx.module.Module, got an int"),
        (unbiased(), "file", ValueError, "lacks dense2.bias"),
        (infinite(), "file", ValueError, "conv2.bias has NaN or infinite"),
        (half(), "file", ValueError, "conv2.bias is bfloat16 of shape (16,), not float32"),
        (lenet(), ".", IsADirectoryError, "path must be the name of a file, got the folder"),
        (lenet(), "none/file", FileNotFoundError, "no folder"),
        (lenet(), None, TypeError, "path must be the name of a file, got None"),
    ],
)
def test_what_cannot_be_saved_is_named(tmp_path, model, path, error, words):
    with refuses(words, error=error):
        mm.save(model, path and tmp_path / path)
    assert not list(tmp_path.iterdir())


def cut_off(file):
    os.truncate(file, file.stat().st_size // 2)


def described(**changes):
    """A change of what the file says of itself."""

    def change(file):
        arrays, about = archive.read(file)
        archive.write(file, arrays, json.dumps(json.loads(about) | changes))

    return change


def holding(name, array):
    """A change of one of the file's arrays, which is left out if ``array`` is None."""

    def change(file):
        arrays, about = archive.read(file)
        archive.write(file, {k: v for k, v in (arrays | {name: array}).items() if v is not None}, about)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (cut_off, ["is cut off or damaged"]),
        (lambda file: archive.write(file, {"x": np.zeros(3)}), ["holds something else"]),
        (lambda file: archive.write(file, {}, "notes"), ["holds something else"]),
        (lambda file: archive.write(file, {}, '["a list"]'), ["holds something else"]),
        (described(version=2, minmax_jax="9.1"), ["by minmax_jax 9.1 in format 2, newer than format 1"]),
        (described(classes=1), ["describes no LeNet", "classes"]),
        (described(image_shape=[28, 28]), ["describes no LeNet", "image_shape"]),
        (described(image_shape=28), ["describes no LeNet", "image_shape"]),
        (described(variant=["modern"]), ["describes no LeNet", "variant"]),
        (described(initialiser="glorot"), ["describes no LeNet", "initialiser 'glorot'"]),
        (described(classes=9), ["dense3.bias is float32 of shape (10,), not float32 of shape (9,)"]),
        (holding("conv1.bias", None), ["lacks conv1.bias"]),
        (holding("conv3.bias", np.zeros(6, np.float32)), ["no conv3.bias"]),
        (holding("conv1.bias", np.zeros((6, 1), np.float32)), ["conv1.bias is float32 of shape (6, 1)"]),
        (holding("conv1.bias", np.zeros(6)), ["conv1.bias is float64"]),
        (holding("conv1.bias", np.full(6, np.nan, np.float32)), ["conv1.bias has NaN"]),
    ],
)
def test_other_files_are_named(file, change, words):
    change(file)
    with refuses(file, *words):
        mm.open(file)


def test_what_is_no_file_is_named(tmp_path):
    with refuses(tmp_path, "a folder"):
        mm.open(tmp_path)
    with refuses(tmp_path / "none", error=FileNotFoundError):
        mm.open(tmp_path / "none")
    with refuses("path must be the name of a file, got 3", error=TypeError):
        mm.open(3)


# Other modules


class Mixed(Norm):
    """Variables of all kinds: narrow numbers, counts and random keys, beside what normalisation keeps."""

    def __init__(self, rngs: nnx.Rngs):
        super().__init__(rngs)
        self.conv.bias = nnx.Param(self.conv.bias[...].astype(jnp.bfloat16) + 1.1)
        self.norm.mean[...] += 0.5
        self.calls = nnx.Variable(jnp.array([7, -3]))


def altered(change):
    model = Mixed(nnx.Rngs(0))
    change(model)
    return model


def widen(model):
    model.conv.bias = nnx.Param(model.conv.bias[...].astype(jnp.float32))


@pytest.mark.parametrize("kind", [Mixed, Own, lambda rngs: nnx.Sequential(Norm(rngs))])
def test_any_module_is_opened_like_one_made_by_its_code(tmp_path, kind):
    model, like = kind(rngs=nnx.Rngs(0)), kind(rngs=nnx.Rngs(1))
    before = nnx.state(nnx.clone(like))
    opened = mm.open(mm.save(model, tmp_path / "own.npz"), like)
    model.eval()
    assert nnx.graphdef(opened) == nnx.graphdef(model)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), nnx.state(opened), nnx.state(model)))
    types = [jax.tree.map(lambda leaf: leaf.dtype, nnx.state(one)) for one in (opened, model)]
    assert types[0] == types[1]
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), nnx.state(like), before))


@pytest.mark.parametrize(
    ("like", "error", "words"),
    [
        (None, ValueError, ["like must be a module as it was saved, a Mixed", "like=Mixed(...))"]),
        (3, TypeError, ["like must be a flax.nnx.module.Module, got an int"]),
        (linen.Dense(2), TypeError, ["like must be", "give nnx.bridge.ToNNX("]),
        (Norm(nnx.Rngs(0)), ValueError, ["holds a Mixed", "a Norm has no calls"]),
        (lenet(), ValueError, ["it lacks conv1.bias"]),
        (altered(widen), ValueError, ["conv.bias is bfloat16 of shape (4,), not float32 of shape (4,)"]),
        (
            altered(lambda model: setattr(model, "calls", nnx.Variable(jnp.zeros(3, int)))),
            ValueError,
            ["calls is int32 of shape (2,), not int32 of shape (3,)"],
        ),
    ],
)
def test_what_a_file_is_not_like_is_named(tmp_path, like, error, words):
    with refuses(*words, error=error):
        mm.open(mm.save(Mixed(nnx.Rngs(0)), tmp_path / "own.npz"), like)


def test_a_file_of_a_lenet_says_itself_how_it_is_made(file):
    with refuses("like must be None for a file that holds a LeNet, got a LeNet"):
        mm.open(file, lenet())


def test_a_module_that_only_pickle_could_keep_is_refused_and_the_old_file_stays(file):
    model = nnx.Sequential(lenet())
    model.names = nnx.Variable(np.array(["a", None], object))
    with refuses("arrays must hold plain numbers", error=TypeError):
        mm.save(model, file)
    assert same_weights(mm.open(file), lenet())
