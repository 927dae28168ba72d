"""The networks of ``networks.py`` in PyTorch."""

from typing import Any

import torch
from torch.nn import functional

from minmax_jax.benchmark.networks import CLASSES


def convolution(
    inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1, bias: bool = False
) -> Any:
    """A convolution padded by half its side."""
    return torch.nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=bias)


def normed(inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1) -> Any:
    """A convolution without a bias, then batch normalisation."""
    conv = convolution(inputs, outputs, side, stride, groups)
    return torch.nn.Sequential(conv, torch.nn.BatchNorm2d(outputs))


class Mean(torch.nn.Module):
    """The mean over pixels."""

    def forward(self, x: Any) -> Any:
        """One value for each channel."""
        return x.mean((2, 3))


class Block(torch.nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first, self.second = normed(inputs, outputs, 3, stride), normed(outputs, outputs, 3)
        self.skip = normed(inputs, outputs, 1, stride) if stride > 1 else torch.nn.Identity()

    def forward(self, x: Any) -> Any:
        """The block's outputs."""
        return functional.relu(self.skip(x) + self.second(functional.relu(self.first(x))))


def small() -> Any:
    """Two convolutions with max-pooling."""
    layers: list[Any] = []
    for inputs, outputs in ((1, 16), (16, 32)):
        layers += [convolution(inputs, outputs, 3, bias=True), torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(7 * 7 * 32, CLASSES))


def resnet8() -> Any:
    """Three residual blocks."""
    blocks = [Block(*size) for size in ((16, 16, 1), (16, 32, 2), (32, 64, 2))]
    stem = normed(3, 16, 3), torch.nn.ReLU()
    return torch.nn.Sequential(*stem, *blocks, Mean(), torch.nn.Linear(64, CLASSES))


def separable() -> Any:
    """Three depthwise-separable convolutions after an ordinary one."""
    layers = [normed(3, 32, 3), torch.nn.ReLU()]
    for inputs, outputs, stride in ((32, 64, 2), (64, 64, 1), (64, 128, 2)):
        depthwise = normed(inputs, inputs, 3, stride, inputs)
        layers += [depthwise, torch.nn.ReLU(), normed(inputs, outputs, 1), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, Mean(), torch.nn.Linear(128, CLASSES))


NETWORKS = (small, resnet8, separable)
