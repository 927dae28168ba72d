"""A target: a model and the images that it is attacked on, in batches of one width."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.attacks.ball import Norm, finite, size
from minmax_jax.attacks.compaction import CHUNK, on_active
from minmax_jax.attacks.inputs import as_radii, check_eps, check_numbers, count_classes
from minmax_jax.attacks.losses import ascent, cross_entropy
from minmax_jax.attacks.registry import Attack, NamedAttack, call
from minmax_jax.checks import check_count, check_type
from minmax_jax.data import Dataset, Split
from minmax_jax.evaluation import Model, merge_model, split_model
from minmax_jax.jobs.parallel import side_by_side
from minmax_jax.models.functions import hashable
from minmax_jax.models.logits import logits_of
from minmax_jax.robustness.predictions import (
    Rows,
    Selected,
    batches,
    check_same,
    logits_twice,
    predict,
    same,
)

SLACK = 1e-4  # of a radius, for rounding: a sum over many pixels is not exact
ROUNDING = 1e-6  # of a pixel


class Attacked(NamedTuple):
    """What an attack did to some images: which it broke, the sizes of the changes, and the images if kept."""

    broken: Bool[np.ndarray, " rows"]
    sizes: Float[np.ndarray, " rows"]
    images: Float[np.ndarray, "kept h w c"]


class _Found(NamedTuple):
    """The same for a batch, with what is to be checked of it."""

    broken: Array
    sizes: Array
    boxed: Array
    finite: Array
    images: Any


@dataclass(frozen=True, eq=False)
class Target:
    """A model, images with their labels, and the model's predictions for them: ready to be attacked."""

    definition: Any
    weights: Any
    images: Float[np.ndarray, "n h w c"]
    labels: Int[np.ndarray, " n"]
    predictions: Int[np.ndarray, " n"]
    classes: int
    norm: Norm
    width: int

    @property
    def correct(self) -> Bool[np.ndarray, " n"]:
        """Whether each unchanged image is classified as its label."""
        return self.predictions == self.labels

    def attacked(
        self,
        name: str,
        attack: NamedAttack,
        eps: float | None,
        rows: Rows,
        seed: int,
        *,
        scale: float | None = None,
        keep: bool = False,
        done: Callable[[int], Any] = lambda rows: None,
    ) -> Attacked:
        """The result of an attack on some of the images.

        Args:
            name: of the attack. Its random numbers depend on it, not on which other attacks there are.
            attack: the function and its settings.
            eps: radius of the ball; None for an attack that searches for the smallest change.
            rows: numbers of the images.
            seed: of the random key.
            scale: multiplies the logits that the attack sees; None for 1.
            keep: whether to return the attacked images.
            done: is called with the number of images finished, batch by batch.

        Raises:
            ValueError: for an image outside the ball or [0, 1], or with logits that are not finite: then the
                result is not that of the attack.
        """
        key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))

        def attack_batch(work: tuple[int, tuple[Rows, Selected]]) -> tuple[Selected, _Found]:
            number, (batch, active) = work
            found = _attack(
                self.definition,
                self.weights,
                hashable(attack.function),
                self.norm,
                active,
                self.images[batch],
                self.labels[batch],
                None if eps is None else jnp.float32(eps),
                jax.random.fold_in(key, number),
                None if scale is None else jnp.float32(scale),
            )
            return active, found if keep else found._replace(images=None)

        parts = []
        for active, found in side_by_side(attack_batch, enumerate(batches(rows, self.width))):
            broken, sizes, boxed, finite = (np.asarray(leaf)[active] for leaf in found[:-1])
            self._check(name, eps, sizes, boxed, finite)
            parts.append((broken, sizes, np.asarray(found.images)[active] if keep else self.images[:0]))
            done(len(broken))
        none = (np.zeros(0, bool), np.zeros(0, np.float32), self.images[:0])
        return Attacked(*(np.concatenate(columns) for columns in zip(none, *parts, strict=True)))

    def without_gradient(self, rows: Rows) -> Bool[np.ndarray, " rows"]:
        """Whether the cross-entropy's gradient in an image's pixels is zero or not finite in all of them."""
        parts = [
            np.asarray(_flat(self.definition, self.weights, self.images[batch], self.labels[batch]))[active]
            for batch, active in batches(rows, self.width)
        ]
        return np.concatenate([np.zeros(0, bool), *parts])

    def predict(self, images: Float[np.ndarray, "rows h w c"]) -> Int[np.ndarray, " rows"]:
        """The class that the model gives other images."""
        return predict(self.definition, self.weights, images, self.width)

    def _check(
        self, name: str, eps: float | None, sizes: np.ndarray, boxed: np.ndarray, finite: np.ndarray
    ) -> None:
        if not boxed.all():
            raise ValueError(f"images of attack {name!r} must be in [0, 1], got others or NaN")
        if not finite.all():
            raise ValueError(
                "model must give finite logits on all images in [0, 1], "
                f"got NaN or infinite ones on images that attack {name!r} found"
            )
        if eps is not None and not (sizes <= eps * (1 + SLACK) + ROUNDING).all():
            raise ValueError(
                f"images of attack {name!r} must be within eps {eps:g} by norm {self.norm!r}, "
                f"got one at a distance of {sizes.max():g}"
            )


def prepare(model: Model, data: Split | Dataset, norm: Norm, batch_size: int) -> Target:
    """The model with the images of a split, or with the test images of a data set.

    Raises TypeError or ValueError for data of another kind, labels that name no class, logits that are not
    finite, or a model that is not deterministic: its accuracy would depend on chance.
    """
    split = data.test if isinstance(data, Dataset) else data
    check_type("data", split, Split)
    width = min(check_count("batch_size", batch_size), len(split))
    definition, weights = split_model(model)
    classes = count_classes(merge_model(definition, weights), split.images[:width])
    if not isinstance(definition, nnx.GraphDef):
        _check_function(definition, jnp.asarray(split.images[:width]))
    check_numbers("labels", split.labels, split.labels.shape, classes)
    predictions = predict(definition, weights, split.images, width)
    return Target(definition, weights, split.images, split.labels, predictions, classes, norm, width)


def _check_function(model: Model, images: Float[Array, "n h w c"]) -> None:
    """Raise ValueError unless the logits of a plain function are the same twice, and once it is compiled.

    Once compiled, a function no longer sees a change of any state that it keeps, so its logits are compared
    with those of jit.
    """
    plain = np.asarray(logits_of(model, images))
    check_same(plain, np.asarray(logits_of(model, images)))
    compiled = np.asarray(logits_twice(model, (), images)[0])
    if np.isfinite(plain).all() and not same(plain, compiled):
        # Half precision may only have been rounded otherwise. Then a new compilation gives the same logits.
        anew = jax.jit(lambda x: (logits_of(model, x), logits_of(model, x)))(images)[0]
        if not same(np.asarray(anew), compiled):
            raise ValueError(
                "model must be a function of the images alone, got one whose logits differ once it is "
                "compiled: if it has changed since its first call, wrap it in a new function"
            )


def radii(eps: Any, norm: Norm) -> list[float]:
    """Radii in rising order, each once. Raises ValueError without any, or for one out of the norm's range."""
    values = np.unique(as_radii(eps)).tolist()
    if not values:
        raise ValueError(f"eps must be one radius or more, in pixel units of [0, 1], got {eps}")
    for value in values:
        check_eps(value, norm)
    return values


@partial(jax.jit, static_argnames=("definition", "attack", "norm"))
def _attack(
    definition: Any,
    weights: Any,
    attack: Attack,
    norm: Norm,
    active: Bool[Array, " n"],
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    eps: Float[Array, ""] | None,
    key: Array,
    scale: Float[Array, ""] | None,
) -> _Found:
    """The active images under attack, in chunks: a chunk without an active image costs nothing."""
    model = merge_model(definition, weights)
    scaled = model if scale is None else lambda x: logits_of(model, x) * scale

    def work(_: Array, x: Array, y: Array, keys: Array) -> _Found:
        found = call(attack, norm, scaled, x, y, eps, key=keys[0])
        logits = logits_of(model, found)
        boxed = ((found >= -ROUNDING) & (found <= 1 + ROUNDING)).all((1, 2, 3))
        broken = logits.argmax(1) != y
        return _Found(broken, size(found - x, norm), boxed, jnp.isfinite(logits).all(1), found)

    no, yes = jnp.zeros_like(active), jnp.ones_like(active)
    otherwise = _Found(no, jnp.zeros(len(active)), yes, yes, images)
    keys = jax.random.split(key, len(active))
    return on_active(work, active, otherwise, images, labels, keys, chunk=CHUNK)


@partial(jax.jit, static_argnames="definition")
def _flat(
    definition: Any, weights: Any, images: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Bool[Array, " n"]:
    model = partial(logits_of, merge_model(definition, weights))
    gradient = ascent(model, images, lambda z: cross_entropy(z, labels))
    known = finite(gradient)
    return (known == 0).all((1, 2, 3))
