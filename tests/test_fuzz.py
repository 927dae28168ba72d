"""Generated networks and arguments: what comes out is right by NumPy, or an error that names an argument.

The short form runs by default; ``python -m pytest -m long tests/test_fuzz.py`` tries 18,000 cases.
"""

import inspect
import re
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

import minmax_jax as mm
from helpers.refusal import unchecked

CLASSES = 3

# ---------------------------------------------------------------- networks


@dataclass(frozen=True)
class Layer:
    """A convolution of a generated network."""

    kind: str  # conv, transposed, or shared: the same layer twice
    channels: int
    window: tuple[int, int]
    strides: int
    dilation: int
    padding: str
    groups: int
    bias: bool
    dtype: str


def layers_of(draw, channels):
    """One to three layers for images of so many channels."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["conv", "conv", "transposed", "shared"]))
        groups = draw(st.sampled_from([1, channels, 2])) if kind != "transposed" else 1
        groups = groups if channels % groups == 0 else 1
        out = channels if kind == "shared" else groups * draw(st.integers(1, 3))
        found.append(
            Layer(
                kind,
                out,
                draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
                1 if kind == "shared" else draw(st.integers(1, 2)),
                draw(st.integers(1, 2)) if kind != "transposed" else 1,
                draw(st.sampled_from(["SAME", "CIRCULAR"] if kind != "transposed" else ["SAME", "VALID"])),
                groups,
                draw(st.booleans()),
                draw(st.sampled_from(["float32", "float32", "float32", "bfloat16", "float16"])),
            )
        )
        channels = out
    return tuple(found)


class Generated(nnx.Module):
    """The layers with ReLU, the mean over pixels, and a dense layer."""

    def __init__(self, layers, channels, rngs):
        self.spec = layers
        self.layers = nnx.List()
        for one in layers:
            options = {"use_bias": one.bias, "param_dtype": jnp.dtype(one.dtype), "padding": one.padding}
            if one.kind == "transposed":
                kind = nnx.ConvTranspose
            else:
                kind, more = nnx.Conv, {"feature_group_count": one.groups}
                options |= more | {"kernel_dilation": one.dilation}
            layer = kind(channels, one.channels, one.window, strides=one.strides, **options, rngs=rngs)
            self.layers.append(layer)
            channels = one.channels
        self.head = nnx.Linear(channels, CLASSES, rngs=rngs)

    def __call__(self, images):
        x = images
        for one, layer in zip(self.spec, self.layers, strict=True):
            for _ in range(2 if one.kind == "shared" else 1):
                x = nnx.relu(layer(x))
        return self.head(x.mean((1, 2)))


def by_numpy(spec, params, images):
    """Logits in float64 by sums over windows."""
    x = np.asarray(images, np.float64)
    for number, one in enumerate(spec):
        leaves = {name: np.asarray(leaf, np.float64) for name, leaf in params["layers"][number].items()}
        for _ in range(2 if one.kind == "shared" else 1):
            x = np.maximum(convolved(one, x, leaves["kernel"]) + leaves.get("bias", 0.0), 0)
    head = {name: np.asarray(leaf, np.float64) for name, leaf in params["head"].items()}
    return x.mean((1, 2)) @ head["kernel"] + head["bias"]


def convolved(one, x, kernel):
    """One layer without its bias."""
    spans = [(k - 1) * one.dilation for k in one.window]
    if one.kind == "transposed":  # zeros between the pixels, then a convolution of stride 1
        spread = np.zeros((len(x), *((n - 1) * one.strides + 1 for n in x.shape[1:3]), x.shape[3]))
        spread[:, :: one.strides, :: one.strides] = x
        pads = [transposed_padding(k, one.strides, one.padding) for k in one.window]
        x, strides = np.pad(spread, ((0, 0), *pads, (0, 0))), 1
    elif one.padding == "CIRCULAR":
        x = np.pad(x, ((0, 0), *((s // 2, s - s // 2) for s in spans), (0, 0)), mode="wrap")
        strides = one.strides
    else:  # as many outputs as steps fit, the odd zero last
        totals = [
            max((-(-n // one.strides) - 1) * one.strides + s + 1 - n, 0)
            for n, s in zip(x.shape[1:3], spans, strict=True)
        ]
        x = np.pad(x, ((0, 0), *((t // 2, t - t // 2) for t in totals), (0, 0)))
        strides = one.strides
    seen = np.lib.stride_tricks.sliding_window_view(x, [s + 1 for s in spans], (1, 2))
    seen = seen[:, ::strides, ::strides, :, :: one.dilation, :: one.dilation]
    parts = zip(np.split(seen, one.groups, 3), np.split(kernel, one.groups, 3), strict=True)
    return np.concatenate([np.einsum("nijcrs,rsco->nijo", *pair) for pair in parts], 3)


def transposed_padding(k, stride, padding):
    """As in JAX's documentation of ``conv_transpose``."""
    if padding == "SAME":
        total = k + stride - 2
        first = k - 1 if stride > k - 1 else -(-total // 2)
    else:
        total, first = k + stride - 2 + max(k - stride, 0), k - 1
    return first, total - first


def check_network(data):
    """Everything that is said of one generated network."""
    channels = data.draw(st.sampled_from([1, 2, 4]), label="channels")
    spec = layers_of(data.draw, channels)
    seed = data.draw(st.integers(0, 99), label="seed")
    model = Generated(spec, channels, nnx.Rngs(seed))
    rng = np.random.default_rng(seed)
    sides = data.draw(st.tuples(st.integers(5, 8), st.integers(5, 8)), label="sides")
    images = rng.random((data.draw(st.integers(1, 7), label="images"), *sides, channels), np.float32)
    params = nnx.to_pure_dict(nnx.state(model, nnx.Param))
    logits = by_numpy(spec, params, images)
    ordered = np.sort(logits, 1)
    half = any(one.dtype != "float32" for one in spec)
    assume((ordered[:, -1] - ordered[:, -2]).min() > (0.1 if half else 1e-4))  # else rounding decides
    labels = rng.integers(0, CLASSES, len(images))
    split = mm.Split(images, labels)
    share = np.mean(logits.argmax(1) == labels)
    batch = data.draw(st.sampled_from([1, 2, 250, np.int16(3)]), label="batch_size")
    with unchecked():
        np.testing.assert_allclose(mm.accuracy(model, split, batch), share, atol=1e-6)

    found = mm.kernels(model)
    assert list(found) == [f"layers.{number}" for number in range(len(spec))]
    for number, kernel in enumerate(found.values()):
        np.testing.assert_array_equal(kernel, params["layers"][number]["kernel"])
    if any(kernel.size == 1 for kernel in found.values()):  # an interval of no width
        with pytest.raises(ValueError, match="kernel must hold weights that differ"):
            mm.fuzziness(model)
    else:
        whole = sum(entropy(kernel).sum() for kernel in found.values())
        share = whole / sum(kernel.size for kernel in found.values())
        np.testing.assert_allclose(mm.fuzziness(model), share, atol=0.02 if half else 2e-4)

    eps = data.draw(st.sampled_from([0.0, 0.1, 1.0]), label="eps")
    attacked = mm.attacks.fgsm(model, jnp.asarray(images), jnp.asarray(labels), eps)
    assert (np.abs(attacked - images) <= eps + 1e-6).all() and ((attacked >= 0) & (attacked <= 1)).all()
    if not half:
        check_loss(by_numpy(spec, params, images), by_numpy(spec, params, attacked), labels)
    if data.draw(st.booleans(), label="train") and not half:
        check_training(model, split)


def entropy(kernel):
    """Degree of fuzziness of each weight: entropy, of its signed position in the layer's interval."""
    w = np.asarray(kernel, np.float64)
    mu = (w - w.min()) / (w.max() - w.min())
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(-mu * np.log2(mu) - (1 - mu) * np.log2(1 - mu))


def check_loss(before, after, labels):
    """An attack that fails gives the image back, so no loss falls (but by rounding)."""
    rows = np.arange(len(labels))
    losses = [
        np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1) - z[rows, labels]
        for z in (before, after)
    ]
    assert (losses[1] >= losses[0] - 1e-3).all()


def check_training(model, split):
    """One step of gradient descent is the one that JAX's own convolutions give."""
    run = mm.fit(
        model,
        mm.Dataset("few", mm.Split(split.images, split.labels), split, tuple("abc")),
        batch_size=len(split),
        optimiser=optax.sgd(0.1),
        snapshots=2,
        progress=False,
    )

    def loss(model):
        logits = model(jnp.asarray(split.images))
        return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(split.labels)).mean()

    gradient = nnx.grad(loss)(model)
    for got, start, slope in zip(
        *(jax.tree.leaves(nnx.state(one, nnx.Param)) for one in (run.model, model)),
        jax.tree.leaves(gradient),
        strict=True,
    ):
        np.testing.assert_allclose(got, start - 0.1 * slope, atol=2e-5)


# A case takes a second or more: none is made smaller, a failure says what it was.
patient = settings(
    suppress_health_check=list(HealthCheck), deadline=None, phases=[Phase.explicit, Phase.generate]
)


@given(st.data())
@settings(patient, max_examples=4)
def test_networks_are_right_by_numpy(data):
    check_network(data)


@pytest.mark.long
@given(st.data())
@settings(patient, max_examples=300)
def test_many_networks_are_right_by_numpy(data):
    check_network(data)


# ---------------------------------------------------------------- arguments


class Tiny(nnx.Module):
    """The smallest network with a convolution."""

    def __init__(self, rngs, classes=CLASSES):
        self.conv = nnx.Conv(1, 2, (2, 2), rngs=rngs)
        self.head = nnx.Linear(2, classes, rngs=rngs)

    def __call__(self, images):
        return self.head(nnx.relu(self.conv(images)).mean((1, 2)))


class Tuple(Tiny):
    """Its output is no array."""

    def __call__(self, images):
        return super().__call__(images), images


@cache
def usual():
    """Good arguments, by name."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((6, 5, 4, 1), np.float32), np.arange(6) % CLASSES
    split = mm.Split(images, labels)
    data = mm.Dataset("six", split, split)
    return {
        "model": Tiny(nnx.Rngs(0)),
        "data": data,
        "images": jnp.asarray(images),
        "labels": jnp.asarray(labels),
        "eps": 0.1,
        "objectives": [mm.Objective()],
        "seeds": [0],
        "attacks": ["fgsm"],
        "weights": {"conv": {"kernel": jnp.asarray(rng.normal(size=(2, 2, 1, 3)), jnp.float32)}},
        "kernel": jnp.asarray(rng.normal(size=(2, 2, 1, 3)), jnp.float32),
        "mu": jnp.asarray(rng.random((4, 3)), jnp.float32),
        "window": (2, 2),
        "outputs": jnp.asarray(rng.normal(size=(2, 4, 3)), jnp.float32),
        "low": jnp.full((2, 3), -1.0),
        "high": jnp.ones((2, 3)),
        "tau": 0.1,
        "bias": jnp.zeros(3),
        "rows": rng.normal(size=(3, 4)).astype(np.float32),
        "generator": np.random.default_rng(0),
        "extremes": mm.Interval(jnp.full(4, -3.0), jnp.full(4, 3.0)),
        "away": 3,
        "towards": 2,
        "span": mm.Interval(jnp.float32(-3), jnp.float32(3)),
        "progress": False,
        "batch_size": 3,
        "snapshots": 2,
        "steps": 2,
        "restarts": 1,
        "queries": 3,
        "tries": 2,
        "binary_search_steps": 1,
        "target_classes": 2,
        "resamples": 10,
        "epochs": 1,
        "name": "mnist",
        "in_features": 1,
        "out_features": 2,
        "kernel_size": (2, 2),
        "rngs": nnx.Rngs(0),
        "path": "nothing.npz",
    }


@cache
def lenet():
    """The smallest LeNet."""
    return mm.LeNet((12, 12, 1), 2, rngs=nnx.Rngs(0))


@cache
def small():
    """Images for it."""
    return mm.Split(np.random.default_rng(0).random((2, 12, 12, 1), np.float32), np.arange(2))


# Values of every kind that notebooks hand around; some of them are right for some arguments.
ODD = {
    "None": None, "True": True, "zero": 0, "one": 1, "two": 2, "minus one": -1, "huge": 10**30,
    "half": 0.5, "2.5": 2.5, "nan": float("nan"), "inf": float("inf"), "-inf": -float("inf"), "complex": 1j,
    "int8": np.int8(2), "uint64": np.uint64(2), "int64": np.int64(-3), "float16": np.float16(0.5),
    "float64": np.float64(0.25), "bool_": np.bool_(True), "0-d": np.array(2), "jax": jnp.int32(2),
    "jax float": jnp.float32(0.25), "bfloat16": jnp.bfloat16(0.5), "text": "text", "empty text": "",
    "bytes": b"linf", "linf": "linf", "l2": "l2", "layer": "layer", "list": [], "numbers": [1, 2],
    "texts": ["a", "b"], "tuple": (1, 1), "dict": {}, "set": {1}, "range": range(3), "function": len,
    "class": Tiny, "object": object(), "slice": slice(2), "lambda": lambda *a, **k: None,
    "vector": np.arange(3), "floats": np.linspace(0, 1, 4), "matrix": np.eye(3, dtype=np.float32),
    "strings": np.array(["a", "b"]), "objects": np.array([None, 1], object),
    "no images": np.zeros((0, 5, 4, 1), np.float32),
    "bytes images": np.zeros((6, 5, 4, 1), np.uint8), "nan images": np.full((6, 5, 4, 1), np.nan, np.float32),
    "channels first": np.zeros((6, 1, 5, 4), np.float32),
    "large images": np.full((6, 5, 4, 1), 9, np.float32),
    "one-hot": np.eye(3, dtype=int)[[0, 1, 2, 0, 1, 2]], "column": np.arange(6)[:, None] % 3,
    "many classes": np.arange(6), "key": jax.random.key(1), "old key": jax.random.PRNGKey(1),
    "tuple model": Tuple(nnx.Rngs(0)), "optimiser": optax.sgd(0.1), "objective": mm.Objective(strength=0.1),
    "interval": mm.Interval(jnp.float32(0), jnp.float32(1)),
}  # fmt: skip

FUNCTIONS = {
    **{name: getattr(mm.minmax, name) for name in (
        "near_zero", "effective_taps", "kurtosis", "sign_test", "random_walk", "moved_away",
        "memberships_over", "random_displacement",
    )},
    **{name: getattr(mm, name) for name in (
        "accuracy", "convolve", "degree", "degrees", "fit", "fuzziness", "interval", "kernels",
        "frozen", "keep_in_interval",
        "masking", "memberships", "native", "open", "patches", "robustness", "sweep", "toeplitz", "Objective",
        "Split", "Dataset", "load", "LeNet", "Conv", "save",
    )},
    **{name: getattr(mm.attacks, name) for name in (
        "fgsm", "pgd", "apgd", "apgd_targeted", "momentum", "deepfool", "carlini_wagner", "fab",
        "fab_targeted",
        "noise", "square", "autoattack",
    )},
    **{name: getattr(mm.certify, name) for name in ("amplification", "amplification_parts", "amplifications",
        "verified", "margin_bounds",
    )},
    **{name: getattr(mm.units, name) for name in (
        "margins", "unit_bounds", "stable", "unstable_share", "unit_memberships", "unit_information",
    )},
    **{name: getattr(mm.defences, name) for name in (
        "Adversarial", "TRADES", "IBP", "fast_adversarial", "recipe",
    )},
}  # fmt: skip
SLOW = (
    "load",
    "robustness",
    "autoattack",
    "verified",
    "margin_bounds",
    "masking",
    "sweep",
    "fit",
    "apgd_targeted",
    "fab_targeted",
    "carlini_wagner",
)


def parameters(name):
    """Those of a function, or of the class itself: a module's signature tells nothing."""
    function = FUNCTIONS[name]
    found = inspect.signature(function.__init__ if isinstance(function, type) else function).parameters
    return {key: one for key, one in found.items() if key != "self"}


ARGUMENTS = [
    (name, argument)
    for name in FUNCTIONS
    for argument, one in parameters(name).items()
    if one.kind is not one.VAR_KEYWORD and (name, argument) != ("load", "data_dir")  # which might download
]
OTHERS = ("defence", "kernel")  # names that an error may say instead
DOCUMENTED = (TypeError, ValueError, FileNotFoundError)


def check_argument(name, argument, odd):
    """A call with one odd argument gives a result, or an error of the package that names an argument."""
    if callable(odd) and (argument == "bias_init" or (argument == "progress" and not isinstance(odd, type))):
        return  # the caller's own function, whose errors are the caller's
    names = parameters(name)
    good = {key: value for key, value in usual().items() if key in names}
    if name == "moved_away":
        good["mu"] = np.asarray(good["mu"])
    if name in ("fuzziness", "interval", "degrees"):  # of which the usual reading takes none
        del good["extremes"]
    if name in ("Dataset",):
        good |= {"name": "six", "train": usual()["data"].train, "test": usual()["data"].test}
    if name == "frozen":
        good |= {"optimiser": optax.sgd(0.1), "layers": ["conv1"]}
    if name == "recipe":
        good["name"] = "adversarial"
    if name in ("save", "verified", "margin_bounds"):
        good |= {"model": lenet()}
    if name == "accuracy":
        good["data"] = usual()["data"].train
    if name == "verified":
        good["data"] = small()
    if name == "margin_bounds":
        good |= {"images": jnp.asarray(small().images), "labels": jnp.asarray(small().labels)}
    if name in ("autoattack", "apgd_targeted"):  # which need four classes
        good["model"] = Tiny(nnx.Rngs(0), 4)
    try:
        with unchecked():
            FUNCTIONS[name](**good | {argument: odd})
    except DOCUMENTED as error:  # any other fails the test
        words = set(re.findall(r"[A-Za-z_0-9]+", str(error)))
        told = isinstance(error, FileNotFoundError) or (
            words & {*names, *OTHERS} and words & {"must", "takes"}
        )
        assert is_own(error) and told, f"{name}({argument}={odd!r}): {type(error).__name__}: {error}"


def is_own(error):
    """Whether the package itself raised the error, by a ``raise`` in one of its files."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = Path(mm.__file__).parent in Path(frames[-1].filename).parents
    return inside and (frames[-1].line or "").startswith("raise ")


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """Files that a call writes lie here."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")  # of equal numbers, by SciPy
@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in SLOW])
@given(st.data())
@settings(patient, max_examples=10)
def test_odd_arguments_are_refused_by_name(name, data):
    argument = data.draw(st.sampled_from([one for of, one in ARGUMENTS if of == name]))
    check_argument(name, argument, ODD[data.draw(st.sampled_from(sorted(ODD)))])


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_odd_argument_is_refused_by_name(name):
    failed = []
    for argument in [one for of, one in ARGUMENTS if of == name]:
        for odd in ODD.values():
            try:
                check_argument(name, argument, odd)
            except Exception as error:
                failed.append(f"{argument}={str(odd)[:60]!r}: {type(error).__name__}: {str(error)[:300]}")
    assert not failed, "\n".join(failed)
