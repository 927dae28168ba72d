"""The answers of a model: one class for each image, from finite logits that are the same when asked again."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from minmax_jax.evaluation import merge_model

SAME = 1e-4  # answers that differ by less, for their size, are called the same

Rows = Int[np.ndarray, " rows"]


def batches(rows: Rows, width: int) -> Iterator[tuple[Rows, Bool[np.ndarray, " width"]]]:
    """The rows in batches of one width, and which of a batch count: the last is filled up by repeats."""
    for start in range(0, len(rows), width):
        part = rows[start : start + width]
        padding = np.full(width - len(part), part[-1])
        yield np.concatenate([part, padding]), np.arange(width) < len(part)


def answers(
    definition: Any, weights: Any, images: Float[np.ndarray, "n h w c"], width: int
) -> Int[np.ndarray, " n"]:
    """The class of each image. Raises ValueError where logits are not finite, or differ when asked again."""
    classes = []
    for batch, active in batches(np.arange(len(images)), width):
        logits, again = (np.asarray(one)[active] for one in asked_twice(definition, weights, images[batch]))
        finite = np.isfinite(logits).all(1)
        if not finite.all():
            raise ValueError(
                f"model gives logits that are NaN or infinite on {(~finite).sum()} of {len(finite)} images; "
                "it takes finite ones on all images"
            )
        check_same(logits, again)
        classes.append(logits.argmax(1))
    return np.concatenate([np.zeros(0, int), *classes])


def same(logits: np.ndarray, again: np.ndarray) -> bool:
    """Whether two answers are the same but for rounding."""
    room = SAME * np.nanmax(np.abs(logits), initial=0)
    return bool(np.isclose(logits, again, rtol=SAME, atol=room, equal_nan=True).all())


def check_same(logits: np.ndarray, again: np.ndarray) -> None:
    """Raise ValueError unless the logits are the same both times, but for rounding."""
    if not same(logits, again):
        raise ValueError(
            f"model answers differently when asked twice, by up to {np.nanmax(np.abs(logits - again)):.2g} "
            "in its logits; it takes a model without randomness (fix its random key, or average its noise)"
        )


@partial(jax.jit, static_argnames="definition")
def asked_twice(definition: Any, weights: Any, images: Float[Array, "n h w c"]) -> tuple[Array, Array]:
    """The logits of two calls."""
    model = merge_model(definition, weights)
    return model(images), model(images)
