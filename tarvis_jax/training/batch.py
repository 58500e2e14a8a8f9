"""The batch: what the data pipeline hands to the step, and how the step reads object prompts from it.

name              type, shape             meaning (b batch, t time, n slots, padded to h x w)
images            uint8 [b, t, h, w, 3]   RGB
instance_map      uint8 [b, t, h, w]      slot + 1, 0 none (or uint32, bit s for slot s, where masks overlap)
instance_class    int32 [b, n]            1-based class of the sample's dataset
instance_valid    bool [b, n]
semantic_map      int16 [b, t, h, w]      0-based class, -100 ignore
reference_frame   int32 [b]               vos
is_point          bool [b, n]             vos: the object is given by a point
points            float32 [b, n, 2]       vos: (x, y) in 0..1 of the padded image
skipped_record    int32 [b]               bad record that this row replaced, -1 none

An empty slot (not valid) may hold any values.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from tarvis_jax.losses.instance_map import has_label
from tarvis_jax.models.object_points import ObjectPrompts

Batch = Mapping[str, jax.Array]


def object_prompts(batch: Batch) -> ObjectPrompts:
    """Masks and points of every object in its sample's reference frame."""
    frame, valid = batch["reference_frame"], batch["instance_valid"]
    labels = jax.vmap(lambda maps, index: jax.lax.dynamic_slice_in_dim(maps, index, 1))(batch["instance_map"], frame)
    slots = jnp.arange(1, valid.shape[1] + 1, dtype=jnp.int32).reshape(1, -1, 1, 1, 1)
    return ObjectPrompts(
        masks=has_label(labels[:, None], slots) & valid[:, :, None, None, None],
        frames=frame[:, None],
        valid=valid,
        is_point=batch["is_point"],
        points=batch["points"],
        point_frames=jnp.broadcast_to(frame[:, None], valid.shape),
    )


def split_rows(batch: Batch, parts: int) -> Batch:
    """The batch in `parts` equal parts, [parts, b / parts, ...]; each part takes rows from every device."""

    def split(x: jax.Array) -> jax.Array:
        return jnp.swapaxes(x.reshape(x.shape[0] // parts, parts, *x.shape[1:]), 0, 1)

    return {name: split(value) for name, value in batch.items()}
