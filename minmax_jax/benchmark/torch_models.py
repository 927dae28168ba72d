"""The same network in PyTorch, and our weights in its form."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from flax import nnx
from torch.nn import functional


class Twin(torch.nn.Module):
    """LeNet as ours, modern: convolutions with ReLU and max-pool, then dense layers; images are NCHW.

    With other ``channels`` and no ``hidden`` layers it is ``Plain``.
    """

    def __init__(self, channels: Sequence[int] = (6, 16), hidden: Sequence[int] = (120, 84)):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, channels[0], 5, padding=2)
        self.conv2 = torch.nn.Conv2d(channels[0], channels[1], 5)
        widths = [25 * channels[1], *hidden, 10]
        self.dense = [f"dense{i}" for i in range(1, len(widths))]
        for name, inputs, outputs in zip(self.dense, widths, widths[1:], strict=False):
            self.add_module(name, torch.nn.Linear(inputs, outputs))

    def forward(self, images: Any) -> Any:
        """Logits of images."""
        hidden = images
        for conv in (self.conv1, self.conv2):
            hidden = functional.max_pool2d(functional.relu(conv(hidden)), 2)
        hidden = hidden.flatten(1)
        for name in self.dense[:-1]:
            hidden = functional.relu(getattr(self, name)(hidden))
        return getattr(self, self.dense[-1])(hidden)


def plain(factor: int) -> Twin:
    """``Plain`` with ``factor`` times as many channels."""
    return Twin((6 * factor, 16 * factor), ())


def in_torch_form(params: Mapping[str, Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Our parameters, or a gradient in them, by PyTorch's names and in its order of axes.

    Convolution kernels go from (row, column, in, out) to (out, in, row, column), dense ones from
    (in, out) to (out, in). The first dense layer's input is flattened from (row, column, channel) here
    and from (channel, row, column) there.
    """
    features = np.shape(params["conv2"]["kernel"])[-1]
    found = {}
    for layer, leaves in params.items():
        kernel = np.asarray(leaves["kernel"])
        if layer == "dense1":
            side = round((kernel.shape[0] / features) ** 0.5)
            ordered = kernel.reshape(side, side, features, -1).transpose(3, 2, 0, 1)
            found[f"{layer}.weight"] = ordered.reshape(kernel.shape[1], -1)
        else:
            found[f"{layer}.weight"] = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        found[f"{layer}.bias"] = np.asarray(leaves["bias"])
    return found


def twin_of(model: nnx.Module) -> Twin:
    """A twin with a model's weights; the model is our LeNet or ``Plain``."""
    arrays = in_torch_form(nnx.to_pure_dict(nnx.state(model, nnx.Param)))
    channels = [len(arrays[f"{conv}.bias"]) for conv in ("conv1", "conv2")]
    dense = sorted(name for name in arrays if name.startswith("dense") and name.endswith("bias"))
    twin = Twin(channels, [len(arrays[name]) for name in dense[:-1]])
    # PyTorch refuses arrays that are read-only or have negative strides: a copy is neither.
    twin.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
    return twin
