"""Predictions of a model: one class for each image, from logits that are finite and reproducible."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.evaluation import merge_model
from minmax_jax.models.logits import logits_of

SAME = 1e-4  # logits that differ by less, relative to their size, count as the same

Rows = Int[np.ndarray, " rows"]
Selected = Bool[np.ndarray, " width"]


def batches(rows: Rows, width: int) -> Iterator[tuple[Rows, Selected]]:
    """The rows in batches of one width, and which entries of a batch count: the last is padded by repeats."""
    for start in range(0, len(rows), width):
        part = rows[start : start + width]
        padding = np.full(width - len(part), part[-1])
        yield np.concatenate([part, padding]), np.arange(width) < len(part)


def predict(
    definition: Any, weights: Any, images: Float[np.ndarray, "n h w c"], width: int
) -> Int[np.ndarray, " n"]:
    """The class of each image. Raises ValueError if logits are not finite, or differ when computed again."""
    classes = []
    for batch, active in batches(np.arange(len(images)), width):
        logits, again = (np.asarray(one)[active] for one in logits_twice(definition, weights, images[batch]))
        finite = np.isfinite(logits).all(1)
        if not finite.all():
            raise ValueError(
                "model must give finite logits on all images, "
                f"got NaN or infinite ones on {(~finite).sum()} of {len(finite)} images"
            )
        check_same(logits, again)
        classes.append(logits.argmax(1))
    return np.concatenate([np.zeros(0, int), *classes])


def same(logits: np.ndarray, again: np.ndarray) -> bool:
    """Whether two results are the same up to rounding."""
    room = SAME * np.nanmax(np.abs(logits), initial=0)
    return bool(np.isclose(logits, again, rtol=SAME, atol=room, equal_nan=True).all())


def check_same(logits: np.ndarray, again: np.ndarray) -> None:
    """Raise ValueError unless the logits are the same both times, up to rounding."""
    if not same(logits, again):
        raise ValueError(
            "model must be deterministic (fix its random key, or average its noise), got logits that differ "
            f"by up to {np.nanmax(np.abs(logits - again)):.2g} between two calls on the same images"
        )


@partial(jax.jit, static_argnames="definition")
def logits_twice(definition: Any, weights: Any, images: Float[Array, "n h w c"]) -> tuple[Array, Array]:
    """The logits of two calls."""
    model = merge_model(definition, weights)
    return logits_of(model, images), logits_of(model, images)
