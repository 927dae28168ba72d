"""The same bounds as auto_LiRPA's, an independent implementation, on the same weights.

auto_LiRPA 0.3 is from 2022 and names parts of PyTorch, NumPy and appdirs that have moved since; the test
gives them their old names. None of them computes bounds.
"""

import sys
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest

from helpers.peers import NEEDED
from helpers.small import digits
from helpers.victims import victim
from minmax_jax.certify import interval_bounds, margin_bounds

pytestmark = [
    *NEEDED,
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("auto_LiRPA") is None, reason="needs auto_LiRPA 0.3, by pip's --no-deps"),
    pytest.mark.filterwarnings("ignore"),  # of old names, by auto_LiRPA and by PyTorch of it
]
COUNT = 6


def module(name, **contents):
    made = ModuleType(name)
    made.__dict__.update(contents)
    return made


@pytest.fixture(scope="module")
def lirpa(tmp_path_factory):
    """auto_LiRPA, with the old names that it is written for."""
    import torch
    import torch.onnx.symbolic_helper
    import torch.onnx.utils
    from torch.onnx._internal.torchscript_exporter import _globals, utils

    def set_opset(version):
        _globals.GLOBALS.export_onnx_opset_version = version

    def attribute(node, key):
        return getattr(node, node.kindOf(key))(key)

    folder = str(tmp_path_factory.mktemp("auto_LiRPA"))
    with pytest.MonkeyPatch.context() as patch:
        old = module("numpy.lib.arraysetops", isin=np.isin)
        patch.setitem(sys.modules, "numpy.lib.arraysetops", old)
        patch.setitem(sys.modules, "appdirs", module("appdirs", user_data_dir=lambda name: folder))
        patch.setattr(torch.onnx.utils, "_optimize_graph", utils._optimize_graph, raising=False)
        patch.setattr(torch.onnx.symbolic_helper, "_set_opset_version", set_opset, raising=False)
        patch.setattr(torch._C.Node, "__getitem__", attribute, raising=False)
        import auto_LiRPA

        named = auto_LiRPA.BoundedModule._named_members

        def members(self, *args, remove_duplicate=True, **options):
            return named(self, *args, **options)

        patch.setattr(auto_LiRPA.BoundedModule, "_named_members", members)
        yield auto_LiRPA


@pytest.fixture(scope="module")
def model():
    """Stored weights: those of a run would differ a little from machine to machine, and so its bounds."""
    return victim("standard")


@pytest.fixture(scope="module")
def bounded(lirpa, model):
    """The model as auto_LiRPA sees it, and its bounds of margins (or of logits) as arrays."""
    import torch

    from minmax_jax.benchmark.torch_models import twin_of

    data = digits().test[:COUNT]
    images = torch.from_numpy(data.images.transpose(0, 3, 1, 2).copy())
    network = lirpa.BoundedModule(twin_of(model).eval(), images, bound_opts={"conv_mode": "matrix"})
    one = torch.eye(10)
    margins = one[torch.from_numpy(data.labels.astype(np.int64))][:, None] - one[None]

    def bounds(eps, method, of_margins=True, count=COUNT):
        x = images[:count]
        low, high = (x - eps).clamp(0, 1), (x + eps).clamp(0, 1)
        ball = lirpa.PerturbationLpNorm(norm=np.inf, eps=eps, x_L=low, x_U=high)
        wanted = {"C": margins[:count], "bound_upper": False} if of_margins else {}
        found = network.compute_bounds(x=(lirpa.BoundedTensor(x, ball),), method=method, **wanted)
        return [None if end is None else end.detach().numpy() for end in found]

    return bounds


@pytest.mark.parametrize("eps", [0.005, 0.02, 0.1])
@pytest.mark.parametrize("method", ["ibp", "crown-ibp"])
def test_margins_are_the_same(model, bounded, method, eps):
    data = digits().test[:COUNT]
    theirs, _ = bounded(eps, method.upper())
    ours = margin_bounds(model, data.images, data.labels, eps, method, relaxation="separate")
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("eps", [0.005, 0.1])
def test_bounds_of_logits_are_the_same(model, bounded, eps):
    images = digits().test.images[:COUNT]
    ours = interval_bounds(model, images - np.float32(eps), images + np.float32(eps))
    for mine, other in zip(ours, bounded(eps, "IBP", of_margins=False), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


def test_crown_is_no_looser(model, bounded):
    """Between layers theirs takes bounds from backward passes, ours the tighter of those and intervals."""
    data = digits().test[:2]
    theirs, _ = bounded(0.01, "CROWN", count=2)
    ours = margin_bounds(model, data.images, data.labels, 0.01, "crown", relaxation="separate")
    assert (ours >= theirs - 1e-4 * np.abs(theirs).max()).all()
