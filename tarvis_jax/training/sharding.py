"""The device mesh, and which part of every array each device holds.

The batch is split over both mesh axes, `data` and `fsdp`. Weights name logical axes (`models/layers.py`); "out" is split over
`fsdp`, everything else is the same on all devices.
"""

from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from tarvis_jax.config import TrainConfig, require
from tarvis_jax.losses.sharding import BATCH_AXES

LOGICAL_AXES = {"out": "fsdp"}


def make_mesh(config: TrainConfig) -> Mesh:
    """Mesh of shape [data, fsdp] over all devices; -1 for `data` takes what `fsdp` leaves.

    Raises:
        ConfigError: the devices or the batch cannot be divided as asked.
    """
    devices, fsdp = jax.device_count(), config.mesh_fsdp
    require(devices % fsdp == 0, f"config.mesh.fsdp={fsdp}: does not divide the {devices} devices")
    data = devices // fsdp if config.mesh_data == -1 else config.mesh_data
    require(
        data * fsdp == devices,
        f"config.mesh.data={data} x config.mesh.fsdp={fsdp}: expected a product of {devices}, the number of devices",
    )
    part = config.data.batch_size // config.accumulate
    require(
        part % devices == 0,
        f"config.batch_size={config.data.batch_size} in {config.accumulate} part(s) of {part} rows: the mesh of {data} x "
        f"{fsdp} devices does not divide a part; use a multiple of {devices * config.accumulate}",
    )
    return jax.make_mesh((data, fsdp), BATCH_AXES, axis_types=(AxisType.Auto,) * 2)


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Splits the first axis, the rows of the global batch, over all devices."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def replicated(mesh: Mesh) -> NamedSharding:
    """The same value on every device."""
    return NamedSharding(mesh, PartitionSpec())


def variable_shardings(abstract: Any, mesh: Mesh) -> Any:
    """Shardings of a tree of abstract variables whose matrices are boxed with logical axes.

    An axis whose size the mesh does not divide stays whole.

    Returns:
        A tree without boxes, of the same structure, of `NamedSharding`.
    """

    def sharding(leaf: Any) -> NamedSharding:
        if not isinstance(leaf, nn.LogicallyPartitioned):
            return replicated(mesh)
        axes = (LOGICAL_AXES.get(name) if name else None for name in leaf.names)
        fits = (a if a and size % mesh.shape[a] == 0 else None for a, size in zip(axes, leaf.value.shape, strict=True))
        return NamedSharding(mesh, PartitionSpec(*fits))

    return jax.tree.map(sharding, abstract, is_leaf=lambda x: isinstance(x, nn.LogicallyPartitioned))


def local_rows(mesh: Mesh, batch_size: int) -> slice:
    """Rows of the global batch that the devices of this process hold; they are consecutive.

    Raises:
        ConfigError: the mesh gives this process rows with a gap between them.
    """
    spans = batch_sharding(mesh).addressable_devices_indices_map((batch_size,)).values()
    ranges = sorted({(span.start or 0, batch_size if span.stop is None else span.stop) for (span,) in spans})
    start, stop = ranges[0][0], ranges[-1][1]
    held = sum(b - a for a, b in ranges)
    require(held == stop - start, f"mesh {dict(mesh.shape)}: the rows of one process are not consecutive, found {ranges}")
    return slice(start, stop)


def to_devices(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """This process's rows as parts of the global batch."""
    sharding = batch_sharding(mesh)
    return {name: jax.make_array_from_process_local_data(sharding, value) for name, value in batch.items()}
