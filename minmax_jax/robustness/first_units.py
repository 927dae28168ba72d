"""Units of the convolution that sees the images: which of them a perturbation can switch."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Bool, Float

from minmax_jax.checks import AnyArray, items
from minmax_jax.checks.padding import Pairs
from minmax_jax.models.recording import layer_outputs
from minmax_jax.units import unit_bounds, unstable_share

if TYPE_CHECKING:
    import xarray as xr

TOLERANCE = 1e-2  # of the largest output: layers may compute in half precision
NOTES = {
    "unstable": "share of a filter's units that a perturbation in the box takes across their threshold",
    "live": "whether any unit of a filter has an output above 0",
}


class FirstConvolution(NamedTuple):
    """A convolution of the images: its name in the model, and all that its outputs depend on."""

    name: str
    kernel: Float[Array, "kh kw cin cout"]
    bias: Float[Array, " cout"] | None
    padding: Pairs
    strides: tuple[int, int]

    def bounds(
        self, images: Float[AnyArray, "n h w cin"], eps: float | Float[Array, ""]
    ) -> tuple[Float[Array, "n oh ow cout"], Float[Array, "n oh ow cout"]]:
        """``unit_bounds`` of its units. Identity: at eps = 0 both are the outputs of the layer."""
        down, across = self.strides
        ends = unit_bounds(self.kernel, self.bias, images, eps, padding=self.padding)
        low, high = (end[:, ::down, ::across] for end in ends)
        return low, high


def first_convolution(model: nnx.Module, image_shape: Sequence[int]) -> FirstConvolution | None:
    """The convolution of a model that sees the images as they are; None if there is none.

    It is known by what it gives where the model is called on noise: ``<w, x> + b`` of the images x. So one of
    images that were scaled before is none, nor is one that is dilated, padded otherwise than with zeros, or
    called twice.
    """
    noise = jnp.asarray(np.random.default_rng(0).random((1, *image_shape)), jnp.float32)
    for path, layer in nnx.iter_graph(model):
        found = _described(".".join(map(str, path)), layer, noise.shape)
        if found is None:
            continue
        quiet = nnx.clone(model)  # a call may change it
        quiet.eval()
        try:
            seen = np.asarray(layer_outputs(quiet, noise, [found.name])[found.name], np.float32)
            known = np.asarray(found.bounds(noise, 0.0)[0]).reshape(-1, seen.shape[-1])
        except (TypeError, ValueError):  # it is not called, or only while JAX compiles, or does not fit
            continue
        room = TOLERANCE * np.abs(seen).max(initial=0)
        if seen.shape == known.shape and np.allclose(seen, known, rtol=0, atol=room):
            return found
    return None


def first_units(
    layer: FirstConvolution,
    images: Float[AnyArray, "n h w cin"],
    eps: Sequence[float],
    batch_size: int = 250,
) -> "xr.Dataset":
    """Units of a first convolution under perturbations: ``unstable`` (filter, eps) and ``live`` (filter).

    ``unstable`` is the share of a filter's units, over images and places, that are not ``stable`` in the ball
    of radius eps in L-inf and the box [0, 1]; ``live``, whether any of them is above its threshold. A filter
    that is not is stable as well, and tells nothing. ``batch_size`` images are computed together.
    """
    import xarray as xr  # heavy to import, so only where it is used

    parts = [jnp.asarray(images[at : at + batch_size]) for at in range(0, len(images), batch_size)]
    sizes = [len(part) for part in parts]
    weights, fixed = (layer.kernel, layer.bias), (layer.padding, layer.strides)
    found = [[_units(*weights, part, radius, *fixed) for radius in (0.0, *eps)] for part in parts]
    shares = [np.stack([share for share, _ in of_part[1:]], -1) for of_part in found]
    live = np.any([of_part[0][1] for of_part in found], 0)
    arrays = {"unstable": (("filter", "eps"), np.average(shares, 0, sizes)), "live": (("filter",), live)}
    variables = {name: (*array, {"long_name": NOTES[name]}) for name, array in arrays.items()}
    return xr.Dataset(variables, {"eps": list(eps)}, {"layer": layer.name, "images": len(images)})


def _described(name: str, layer: Any, images: tuple[int, ...]) -> FirstConvolution | None:
    """A layer as a convolution of images of this shape; None where it is none."""
    if not isinstance(layer, nnx.Conv) or len(layer.kernel_size) != 2:
        return None
    strides, padding = _pair(layer.strides or 1), layer.padding
    if isinstance(padding, str):
        if padding not in ("SAME", "SAME_LOWER", "VALID"):
            return None
        pads = lax.padtype_to_pads(images[1:3], layer.kernel_size, strides, padding)
    else:
        pads = [_pair(side) for side in _pair(padding)]
    bias = None if layer.bias is None else layer.bias[...]
    return FirstConvolution(name, layer.kernel[...], bias, (pads[0], pads[1]), strides)


def _pair(got: Any) -> tuple[Any, Any]:
    """One thing for both sides, or two."""
    first, *rest = items(got) or (got,)
    return first, rest[0] if rest else first


@partial(jax.jit, static_argnames=("padding", "strides"))
def _units(
    kernel: Float[Array, "kh kw cin cout"],
    bias: Float[Array, " cout"] | None,
    images: Float[Array, "n h w cin"],
    eps: Float[Array, ""],
    padding: Pairs,
    strides: tuple[int, int],
) -> tuple[Float[Array, " cout"], Bool[Array, " cout"]]:
    """Of each filter the share of unstable units, and whether its highest output within reach is above 0."""
    low, high = FirstConvolution("", kernel, bias, padding, strides).bounds(images, eps)
    return unstable_share(low, high), (high > 0).any((0, 1, 2))
