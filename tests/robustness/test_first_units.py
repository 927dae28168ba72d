"""The convolution that sees the images is found, whatever its strides and padding, and its units counted."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from helpers.filled import filled
from helpers.small import lenet
from minmax_jax.robustness.first_units import FirstConvolution, first_convolution, first_units


class Net(nnx.Module):
    """A convolution of images that were prepared before, another one, and a read-out."""

    def __init__(self, prepare=lambda x: x, *, rngs, **options):
        self.prepare = prepare
        self.after = nnx.Conv(2, 2, (1, 1), rngs=rngs)
        self.first = nnx.Conv(2, 2, (3, 2), rngs=rngs, **options)

    def __call__(self, images):
        return self.after(self.first(self.prepare(images))).mean((1, 2))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strides": 2},
        {"strides": (2, 3), "padding": "SAME_LOWER", "use_bias": False},
        {"padding": "VALID", "strides": None},
        {"padding": ((1, 0), (0, 2)), "strides": (1, 2)},
        {"padding": 1, "dtype": jnp.bfloat16},
    ],
)
def test_the_first_convolution_gives_what_the_layer_gives(options):
    net = filled(lambda rngs: Net(rngs=rngs, **options))
    found = first_convolution(net, (6, 7, 2))
    assert found is not None and found.name == "first"
    images = np.random.default_rng(0).random((3, 6, 7, 2), np.float32)
    for end in found.bounds(images, 0.0):
        np.testing.assert_allclose(end, net.first(jnp.asarray(images)), rtol=0, atol=0.03)


@pytest.mark.parametrize(
    ("prepare", "options"),
    [
        (lambda x: 2 * x - 1, {}),
        (lambda x: x, {"padding": "CIRCULAR"}),
        (lambda x: x, {"kernel_dilation": 2}),
        (lambda x: x, {"feature_group_count": 2}),
    ],
)
def test_what_sees_other_than_the_images_or_is_no_plain_convolution_is_none(prepare, options):
    assert first_convolution(filled(lambda rngs: Net(prepare, rngs=rngs, **options)), (6, 7, 2)) is None


def test_the_name_is_that_of_the_kernel():
    found = first_convolution(nnx.Sequential(lenet()), (28, 28, 1))
    assert found is not None and found.name == "layers.0.conv1"


def test_units_by_hand():
    kernel = jnp.zeros((3, 3, 1, 2)).at[1, 1].set(7.0)  # one tap each; the second is below 0 for any image
    layer = FirstConvolution("conv", kernel, jnp.array([-3.5, -9.0]), ((1, 1), (1, 1)), (1, 1))
    images = np.array([0.0, 1.0, 0.45, 0.2], np.float32).reshape(2, 1, 2, 1)
    units = first_units(layer, images, [0.0, 0.1, 0.3, 0.5], batch_size=1)
    np.testing.assert_allclose(units.unstable, [[0, 0.25, 0.5, 1], [0, 0, 0, 0]])
    assert units.live.values.tolist() == [True, False] and units.attrs == {"layer": "conv", "images": 2}
