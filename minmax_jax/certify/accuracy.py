"""Verified accuracy: the share of images that no change within a radius can turn into an error."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from minmax_jax.attacks.inputs import as_radii, check_eps, check_numbers, checked
from minmax_jax.certify.margins import PRECISION, Method, margins
from minmax_jax.certify.network import Certifiable, box, layers_of, lenet_of
from minmax_jax.certify.passes import forward
from minmax_jax.checks import as_names, check_count, check_type
from minmax_jax.data import Split
from minmax_jax.evaluation import map_batches
from minmax_jax.jobs.progress import progress_bar

if TYPE_CHECKING:
    import xarray as xr

TOLERANCE = 1e-5  # of the largest logit within reach: about 80 roundings of float32
BATCH: dict[str, int] = {"ibp": 250, "crown-ibp": 50, "crown": 10}  # images at a time, about 100 MB


@partial(jax.jit, static_argnames=("definition", "method", "batch_size"))
def _smallest(
    definition: Any,
    weights: Any,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    eps: Float[Array, ""],
    method: Method,
    batch_size: int,
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Each image's smallest bound of a margin over another class, and the reserve for rounding in it."""

    def bound(x: Array, y: Array) -> tuple[Array, Array]:
        model = nnx.merge(definition, weights)
        with jax.default_matmul_precision(PRECISION):
            below = margins(model, x, y, eps, method)
            logits = forward(layers_of(model), box(model, x - eps, x + eps))[-1]
        own = jax.nn.one_hot(y, len(below), axis=0, dtype=bool)
        largest = jnp.maximum(jnp.abs(logits.low), jnp.abs(logits.high)).max(0)
        return jnp.where(own, jnp.inf, below).min(0), TOLERANCE * largest

    return map_batches(bound, batch_size, images, labels)


def verified(
    model: Certifiable,
    data: Split,
    eps: Sequence[float] = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3),
    *,
    methods: Sequence[Method] = ("ibp", "crown-ibp"),
    batch_size: int | None = None,
    progress: bool = True,
) -> "xr.Dataset":
    """Verified accuracy of a LeNet by method of bounding and L-inf radius, with the images certified.

    An image is certified at a radius if no image in [0, 1] within it is classified as another class than the
    label: its ``margin``, the smallest lower bound of ``margin_bounds`` over the other classes, is above
    1e-5 of the largest absolute logit that intervals leave within reach, a reserve for float32 rounding.
    Verified accuracy is never above accuracy under any attack on the network in float32, as on CPUs.

    Args:
        model: a LeNet of either variant, or one on squashed pixels.
        data: the split whose images are certified.
        eps: radii by L-inf, in [0, 1].
        methods: some of "ibp", "crown-ibp" and "crown"; the last is tighter than the others and took ten
            times as long as "crown-ibp" on 40 digits.
        batch_size: images that are bounded together; None for one that suits the method. It changes memory
            and speed only.
        progress: whether to draw a bar.

    Returns:
        ``accuracy`` (bound, eps), the share certified, in [0, 1]; ``certified`` (bound, eps, image); and
        ``margin`` (bound, eps, image). The last bound, "combined", certifies what any of ``methods`` does.

    Raises:
        TypeError: for another model than a LeNet.
        ValueError: for an unknown method, eps outside [0, 1], images of another shape, or labels that name no
            class.

    Identity: at eps = 0 every method's accuracy is the clean accuracy, except for margins within the reserve.
    """
    import xarray as xr  # heavy to import, so only where it is used

    lenet_of(model)
    check_type("data", data, Split)
    radii = as_radii(eps)
    if not radii:
        raise ValueError(f"eps must be one radius or more in [0, 1], in pixel units of [0, 1], got {eps}")
    for radius in radii:
        check_eps(radius, "linf")
    chosen = as_names(methods)
    if not chosen or set(chosen) - set(BATCH) or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"methods must be a sequence of different names out of {list(BATCH)}, got {methods!r}"
        )
    if batch_size is not None:
        batch_size = check_count("batch_size", batch_size)
    first = slice(0, BATCH["ibp"])  # enough to tell shapes and classes; a split's images are in [0, 1]
    _, _, classes = checked(model, data.images[first], data.labels[first], 0.0)
    check_numbers("labels", data.labels, data.labels.shape, classes)
    definition, weights = nnx.split(model)
    images, labels = jnp.asarray(data.images), jnp.asarray(data.labels)
    margin = np.zeros((len(chosen) + 1, len(radii), len(data)), np.float32)
    certified = np.zeros(margin.shape, bool)
    with progress_bar(len(chosen) * len(radii), progress, unit="bound") as bar:
        for i, method in enumerate(chosen):
            for j, radius in enumerate(radii):
                bar.begin(f"{method} at eps {radius:g}")
                size = batch_size or BATCH[method]
                smallest, reserve = _smallest(
                    definition, weights, images, labels, jnp.float32(radius), method, size
                )
                margin[i, j], certified[i, j] = smallest, smallest > reserve
                bar.did()
    margin[-1], certified[-1] = margin[:-1].max(0), certified[:-1].any(0)
    labelled = ("bound", "eps", "image")
    return xr.Dataset(
        {
            "accuracy": (labelled[:2], certified.mean(-1), {"long_name": "verified accuracy"}),
            "certified": (labelled, certified),
            "margin": (labelled, margin, {"long_name": "lower bound of the smallest margin"}),
        },
        {"bound": [*chosen, "combined"], "eps": radii},
        {"images": len(data), "tolerance": TOLERANCE},
    )
