"""The network in PyTorch is ours, in another order of axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from helpers.peers import NEEDED
from helpers.small import digits
from minmax_jax.benchmark.jax_side import Plain
from minmax_jax.lenet import LeNet

pytestmark = NEEDED

MODELS = {
    "lenet": lambda seed: LeNet(rngs=nnx.Rngs(seed)),
    "plain": lambda seed: Plain(2, rngs=nnx.Rngs(seed)),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_its_logits_are_ours(make):
    import torch

    from minmax_jax.benchmark.torch_models import twin_of

    model, images = make(1), digits().test.images
    with torch.no_grad():
        theirs = twin_of(model)(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    np.testing.assert_allclose(theirs.numpy(), model(jnp.asarray(images)), atol=1e-5)


def test_it_has_as_many_parameters():
    from minmax_jax.benchmark.torch_models import Twin, plain, twin_of

    def shapes(net):
        return {name: tuple(one.shape) for name, one in net.named_parameters()}

    assert sum(one.numel() for one in Twin().parameters()) == 61_706
    for model, net in ((MODELS["lenet"](0), Twin()), (MODELS["plain"](0), plain(2))):
        assert shapes(twin_of(model)) == shapes(net)


def test_a_sum_over_all_weights_is_the_same_in_either_form():
    from minmax_jax.benchmark.torch_models import in_torch_form

    params = nnx.to_pure_dict(nnx.state(MODELS["lenet"](0), nnx.Param))
    ours = sorted(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)]))
    theirs = sorted(np.concatenate([one.ravel() for one in in_torch_form(params).values()]))
    np.testing.assert_array_equal(ours, theirs)
