"""Where training takes place: on one device, or with every batch divided among several."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int

from minmax_jax.storage.trees import to_array, to_leaf


class Placement:
    """Puts weights and images on all devices, and a share of each batch on each; None takes jax's default.

    The devices may belong to several processes of ``jax.distributed``, which then all train, in step. XLA
    adds the sums over a batch up across devices, so everything computed is that of the whole batch.
    """

    def __init__(self, devices: Sequence[jax.Device] | None):
        self.mesh = None
        if devices is not None:
            if (
                not isinstance(devices, Sequence)
                or not devices
                or not all(isinstance(device, jax.Device) for device in devices)
            ):
                raise TypeError(f"devices must be a sequence such as jax.devices(), or None, got {devices!r}")
            self.mesh = Mesh(np.array(devices), ("batch",), axis_types=(AxisType.Auto,))

    @property
    def is_first(self) -> bool:
        """True in the process of the first device, which alone writes files."""
        return self.mesh is None or self.mesh.devices.flat[0].process_index == jax.process_index()

    def check(self, batch_size: int) -> None:
        """Raise ValueError for a batch that cannot be divided evenly."""
        if self.mesh is not None and batch_size % self.mesh.size:
            raise ValueError(
                f"batch_size must be a multiple of the {self.mesh.size} devices, got {batch_size}"
            )

    def everywhere(self, tree: Any) -> Any:
        """Every array whole on every device."""
        return tree if self.mesh is None else jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))

    def divided(self, order: Int[np.ndarray, "steps batch"]) -> Int[Array, "steps batch"]:
        """The rows of each batch, in equal shares."""
        if self.mesh is None:
            return jnp.asarray(order)
        return jax.device_put(order, NamedSharding(self.mesh, PartitionSpec(None, "batch")))

    def here(self, tree: Any) -> Any:
        """What is everywhere as ordinary arrays of this process. Identity: ``here(everywhere(x)) == x``."""
        return tree if self.mesh is None else jax.tree.map(lambda leaf: to_leaf(to_array(leaf), leaf), tree)
