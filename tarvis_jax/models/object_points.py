"""The pixels that the queries of prompted objects and of the background stand for.

The original samples the finest feature map once for every pixel of a mask. As all pixels of one cell of that map (4 x 4 pixels)
take the same feature, a query's pixels are kept as their number in each cell; nothing is lost.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

CELL = 4  # pixels along the side of a cell of the finest feature map
KEY_BITS = 32


@struct.dataclass
class ObjectPrompts:
    """Objects to segment, each given by masks or by a point. An empty slot may hold any values.

    Attributes:
        masks: bool [b, n, r, h, w] at the padded image's size, over r reference frames; those of point objects are ignored.
        frames: int32 [b, r], the reference frames' indices in the clip, rising; a negative one is an empty slot. The frames
            with points belong to them as well, as the background is taken from all reference frames.
        valid: bool [b, n].
        is_point: bool [b, n].
        points: float32 [b, n, 2], (x, y) in 0..1 of the padded image.
        point_frames: int32 [b, n], the points' frames in the clip.
    """

    masks: jax.Array
    frames: jax.Array
    valid: jax.Array
    is_point: jax.Array
    points: jax.Array
    point_frames: jax.Array

    def cleaned(self) -> "ObjectPrompts":
        """The same prompts with nothing in empty slots, `is_point` False there, and no masks of point objects."""
        is_point = self.valid & self.is_point
        by_mask = (self.valid & ~self.is_point)[:, :, None, None, None]
        in_use = (self.frames >= 0)[:, None, :, None, None]
        return self.replace(
            masks=self.masks & by_mask & in_use,
            is_point=is_point,
            points=jnp.where(is_point[..., None], self.points, jnp.float32(0)),
            point_frames=jnp.where(is_point, self.point_frames, 0),
        )


def no_prompts(batch: int, objects: int, frames: int, height: int, width: int) -> ObjectPrompts:
    """Prompts all of whose slots are empty."""
    return ObjectPrompts(
        masks=jnp.zeros((batch, objects, frames, height, width), bool),
        frames=jnp.full((batch, frames), -1, jnp.int32),
        valid=jnp.zeros((batch, objects), bool),
        is_point=jnp.zeros((batch, objects), bool),
        points=jnp.zeros((batch, objects, 2), jnp.float32),
        point_frames=jnp.zeros((batch, objects), jnp.int32),
    )


def points_in_padded_image(points: np.ndarray, size: tuple[int, int], padded: tuple[int, int]) -> np.ndarray:
    """Points [..., 2] as (x, y) in 0..1 of an image of `size` (h, w), in 0..1 of the image padded right and below."""
    return (points * np.array([size[1] / padded[1], size[0] / padded[0]])).astype(np.float32)


def split_masks(masks: jax.Array, parts: int) -> jax.Array:
    """Cuts the pixels of every mask, in the order (time, y, x), into consecutive parts as equal as possible.

    The first parts are larger by one where the number does not divide. Fewer pixels than parts are repeated, all of them in
    turn, until there are enough; so a pixel may belong to several parts.

    Args:
        masks: bool [b, n, r, h, w].
        parts: m.

    Returns:
        bool [b, n, m, r, h, w].
    """
    pixels = masks.reshape(*masks.shape[:2], 1, -1)
    rank = jnp.cumsum(pixels, axis=-1, dtype=jnp.int32) - 1
    total = rank[..., -1] + 1
    repeats = jnp.where(total >= parts, 1, -(-parts // jnp.maximum(total, 1)))
    part = jnp.arange(parts, dtype=jnp.int32).reshape(1, 1, -1)
    size = total * repeats // parts + (part < total * repeats % parts).astype(jnp.int32)
    first = (jnp.cumsum(size, axis=-1) - size) % jnp.maximum(total, 1)
    end = first + size
    inside = (rank >= first[..., None]) & (rank < end[..., None])
    wrapped = rank + total[..., None] < end[..., None]  # the part goes on with the first pixels of the next repetition
    return ((inside | wrapped) & pixels).reshape(*masks.shape[:2], parts, *masks.shape[2:])


def _grid_cells(height: int, width: int, grid: int) -> np.ndarray:
    """Which cells of the background grid the pixels lie in, bool [grid * grid, h, w]; the outer cells are a bit narrower."""
    row, column = (np.round(np.linspace(-0.499, grid - 0.501, size)).astype(np.int32) for size in (height, width))
    return (row[:, None] * grid + column[None, :])[None] == np.arange(grid * grid)[:, None, None]


def background_pixels(masks: jax.Array, in_use: jax.Array, grid: int) -> jax.Array:
    """The pixels outside all masks, cut by a grid over the image.

    Args:
        masks: bool [b, n, r, h, w].
        in_use: bool [b, r], which reference frames there are.
        grid: g cells along either side.

    Returns:
        bool [b, g * g, r, h, w]; a cell has pixels of all reference frames.
    """
    free = ~masks.any(axis=1) & in_use[:, :, None, None]
    return free[:, None] & _grid_cells(*masks.shape[-2:], grid)[None, :, None]


def random_subset(members: jax.Array, limit: int, key: jax.Array) -> jax.Array:
    """At most `limit` random pixels of every set, drawn without replacement.

    Every pixel draws a number, and a set keeps its smallest. Should the draws of two pixels be equal just at the limit (less
    than one in a thousand sets), both stay.

    Args:
        members: bool [..., s, r, h, w]; sets of more than `limit` pixels share none with another.
        limit: 2 or more.
        key: random key.

    Returns:
        bool, the shape of `members`.
    """
    pixels = members.reshape(*members.shape[:-3], -1)
    sets, counts = pixels.shape[-2], pixels.sum(axis=-1, dtype=jnp.int32)
    # One sort orders all sets of a row: the set is the highest bits of what is sorted. Pixels of no set come last.
    below_none = jnp.arange(-sets, 0, dtype=jnp.int32).reshape(-1, 1)
    index = sets + jnp.where(pixels, below_none, 0).sum(axis=-2, dtype=jnp.int32)
    draws = jax.random.bits(key, index.shape, jnp.uint32) >> jnp.uint32(sets.bit_length())
    draws |= index.astype(jnp.uint32) << jnp.uint32(KEY_BITS - sets.bit_length())
    last = jnp.cumsum(counts, axis=-1) - counts + limit - 1
    highest = jnp.take_along_axis(jnp.sort(draws, axis=-1), jnp.clip(last, 0, index.shape[-1] - 1), axis=-1)
    highest = jnp.where(counts > limit, highest, jnp.uint32(2**KEY_BITS - 1))
    return (pixels & (draws[..., None, :] <= highest[..., None])).reshape(members.shape)


def limit_pixels(members: jax.Array, largest: int, limit: int, key: jax.Array | None) -> jax.Array:
    """`random_subset` where sets can have more than `limit` pixels; their static bound is `largest`.

    Raises:
        ValueError: they can, and there is no key.
    """
    if largest <= limit:
        return members
    if key is None:
        raise ValueError(
            f"point_key is missing: a query may stand for {largest} pixels of reference frames {members.shape[-3:]} and takes "
            f"{limit} of them at random; pass a jax.random key"
        )
    return random_subset(members, limit, key)


def cell_counts(members: jax.Array) -> jax.Array:
    """Number of pixels in every cell: bool [..., h, w] to float32 [..., h / 4, w / 4]."""
    h, w = members.shape[-2:]
    cells = members.reshape(*members.shape[:-2], h // CELL, CELL, w // CELL, CELL)
    return cells.sum(axis=(-3, -1), dtype=jnp.float32)


def query_cell_counts(
    prompts: ObjectPrompts, *, per_object: int, grid: int, limit: int, key: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    """Numbers of pixels that each query has in the cells of the reference frames.

    Args:
        prompts: cleaned.
        per_object: queries m of an object.
        grid: background cells g along either side.
        limit: largest number of pixels of a query.
        key: random key, needed where a query could have more pixels than the limit.

    Returns:
        (objects, background), float32 [b, n * m, s] and [b, g * g, s], where s = r * h / 4 * w / 4.

    Raises:
        ValueError: the key is needed and missing.
    """
    b, n, r, h, w = prompts.masks.shape
    object_key, background_key = (None, None) if key is None else jax.random.split(key)
    largest_cell = r * int(_grid_cells(h, w, grid).sum(axis=(1, 2)).max())
    objects = limit_pixels(split_masks(prompts.masks, per_object), -(-r * h * w // per_object), limit, object_key)
    background = background_pixels(prompts.masks, prompts.frames >= 0, grid)
    background = limit_pixels(background, largest_cell, limit, background_key)
    return cell_counts(objects).reshape(b, n * per_object, -1), cell_counts(background).reshape(b, grid * grid, -1)


def nearest_samples(features: jax.Array, points: jax.Array, frames: jax.Array) -> jax.Array:
    """Features of the cells that points lie in; zero for points outside of the image.

    A point between two cells takes the one of even index, as rounding half to even does.

    Args:
        features: [b, t, h, w, c].
        points: float32 [b, n, 2], (x, y) in 0..1.
        frames: int32 [b, n], clipped to 0..t-1.

    Returns:
        [b, n, c].
    """
    b, t, h, w, _ = features.shape
    size = jnp.array([w, h], jnp.int32)
    # The original goes through coordinates in -1..1; the same steps keep its rounding at the borders of cells.
    cell = jnp.round((((2 * points - 1) + 1) * size.astype(jnp.float32).reshape(1, 1, 2) - 1) / 2)
    inside = ((cell >= 0) & (cell < size.astype(jnp.float32).reshape(1, 1, 2))).all(axis=-1)
    x, y = (jnp.where(inside, cell[..., i], 0).astype(jnp.int32) for i in range(2))
    sampled = features[jnp.arange(b)[:, None], jnp.clip(frames, 0, t - 1), y, x]
    return jnp.where(inside[..., None], sampled, jnp.zeros((), features.dtype))
