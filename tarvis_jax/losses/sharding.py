"""Work that every device does for its own rows of the batch, where the partitioner would make them exchange rows."""

from collections.abc import Callable

import jax
from jax.sharding import Mesh, PartitionSpec

BATCH_AXES = ("data", "fsdp")  # the mesh axes over which the batch is split


def on_own_rows(function: Callable, mesh: Mesh | None, batch_axes: tuple[int, ...], out_axis: int) -> Callable:
    """`function` as it is if there is no mesh; otherwise one call on each device, with that device's rows alone.

    Args:
        function: takes and returns arrays; treats the rows of a batch independently.
        mesh: a mesh with the axes "data" and "fsdp", over both of which the batch is split.
        batch_axes: position of the batch axis in each argument.
        out_axis: its position in the result.
    """
    if mesh is None:
        return function

    def spec(axis: int) -> PartitionSpec:
        return PartitionSpec(*(None,) * axis, BATCH_AXES)

    # check_vma: the check takes constants for equal on all devices and so refuses loops that start from them
    return jax.shard_map(function, mesh=mesh, in_specs=tuple(map(spec, batch_axes)), out_specs=spec(out_axis), check_vma=False)
