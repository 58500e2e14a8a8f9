"""Reading the batch's instance map, which holds the masks of all instances of a frame in one image.

Two encodings with the same meaning, told apart by their type. In both, instance slot s has the label s + 1, and label 0
stands for "no instance".

* uint8: every pixel holds one label; for masks that do not overlap.
* uint32: bit s of a pixel is set where the mask of slot s covers it; for masks that overlap, at most 32 slots.
"""

import jax
import jax.numpy as jnp

NO_INSTANCE = 0


def has_label(pixels: jax.Array, labels: jax.Array) -> jax.Array:
    """Whether pixels carry labels; for label 0, whether they carry none at all.

    Args:
        pixels: uint8 or uint32, values of an instance map.
        labels: int32, of the same rank, broadcastable against `pixels`.

    Returns:
        bool, of the common shape.

    Raises:
        ValueError: the map has another type.
    """
    if pixels.dtype == jnp.uint8:
        return pixels.astype(jnp.int32) == labels
    if pixels.dtype == jnp.uint32:
        bits = jnp.left_shift(jnp.uint32(1), jnp.maximum(labels - 1, 0).astype(jnp.uint32))
        return jnp.where(labels == NO_INSTANCE, pixels == 0, (pixels & bits) != 0)
    raise ValueError(f"instance_map: expected uint8 (labels) or uint32 (one bit a slot), found {pixels.dtype}")


def keep_valid(instance_map: jax.Array, valid: jax.Array) -> jax.Array:
    """The map [b, t, h, w] without the pixels of slots that are not valid [b, n]."""
    labels = jnp.arange(1, valid.shape[1] + 1, dtype=jnp.int32)
    if instance_map.dtype == jnp.uint32:
        bits = jnp.left_shift(jnp.uint32(1), (labels - 1).astype(jnp.uint32))
        allowed = jnp.sum(jnp.where(valid, bits[None], jnp.uint32(0)), axis=1)
        return instance_map & allowed[:, None, None, None]
    kept = jnp.where(valid, labels.astype(instance_map.dtype)[None], 0)
    table = jnp.pad(kept, ((0, 0), (1, 255 - valid.shape[1])))
    return jax.vmap(lambda entries, pixels: entries[pixels])(table, instance_map)


def smallest_on_top(instance_map: jax.Array, n: int) -> jax.Array:
    """One label per pixel of a map [b, t, h, w] with n slots: of the instances there, the one with the smallest area.

    Areas are numbers of pixels over all frames; of equal ones, the later slot lies on top.
    """
    if instance_map.dtype == jnp.uint8:
        return instance_map

    def area(label: jax.Array) -> jax.Array:
        return jnp.sum(has_label(instance_map, jnp.broadcast_to(label, (1, 1, 1, 1))), axis=(1, 2, 3))

    labels = jnp.arange(1, n + 1, dtype=jnp.int32)
    order = jnp.argsort(-jax.lax.map(area, labels), axis=0, stable=True)  # [n, b]: slots from largest to smallest

    def paint(position: jax.Array, painted: jax.Array) -> jax.Array:
        label = (order[position] + 1)[:, None, None, None]
        return jnp.where(has_label(instance_map, label), label.astype(jnp.uint8), painted)

    return jax.lax.fori_loop(0, n, paint, jnp.zeros(instance_map.shape, jnp.uint8))
