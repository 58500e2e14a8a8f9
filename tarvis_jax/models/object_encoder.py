"""Object encoder: makes queries of objects that are given by masks or points, and of the background around them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tarvis_jax.config import ModelConfig
from tarvis_jax.models.attention_masks import BLOCKED, attention_bias
from tarvis_jax.models.layers import MLP, Dense
from tarvis_jax.models.object_points import CELL, ObjectPrompts, nearest_samples, query_cell_counts
from tarvis_jax.models.positions import sine_2d
from tarvis_jax.models.queries import ObjectQueries
from tarvis_jax.models.residual_blocks import ResidualAttention, ResidualFeedForward
from tarvis_jax.models.temporal_neck import NeckOutput


class ObjectEncoder(nn.Module):
    """Queries start as means of the features at their pixels; they are refined against each other and their own pixels alone.

    Features at the pixels of masks and of the background are taken without gradient, those at points with it.
    """

    config: ModelConfig
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self, features: NeckOutput, prompts: ObjectPrompts, *, train: bool, point_key: jax.Array | None = None
    ) -> ObjectQueries:
        """Encodes the prompts of a clip.

        Args:
            features: of the clip.
            prompts: n objects, their masks at the images' padded size.
            train: whether an object has `queries_per_object` queries of `points_per_query` pixels at most, or as many as the
                settings of the same names with `_eval` say. A point object uses the first of its queries alone.
            point_key: random key for the choice of pixels, needed where a query could have more than its limit.

        Raises:
            ValueError: the key is needed and missing, or the masks do not have the images' size.
        """
        _check_size(features, prompts)
        config, prompts = self.config, prompts.cleaned()
        per_object = config.queries_per_object if train else config.queries_per_object_eval
        limit = config.points_per_query if train else config.points_per_query_eval
        by_point, valid = _query_kinds(prompts, per_object)
        objects, background = query_cell_counts(
            prompts, per_object=per_object, grid=config.background_grid, limit=limit, key=point_key
        )
        cells = _cells_of_frames(features.stride4, prompts.frames)
        points, point_keys, point_values = self._sample_points(features, prompts)
        x_objects = jnp.where(by_point[..., None], jnp.repeat(points, per_object, axis=1), _means(cells, objects))
        x = jnp.concatenate([_means(cells, background), x_objects], axis=1)
        keys = jnp.concatenate([cells + _cell_positions(features.stride4, prompts), _nothing(cells), point_keys], axis=1)
        values = jnp.concatenate([cells, _nothing(cells), point_values], axis=1)
        own = own_keys(jnp.concatenate([background, objects], axis=1), by_point, per_object)
        x = self._refine(x, self._embeds(prompts, per_object), keys, values, own, valid)
        split = background.shape[1]
        return ObjectQueries(objects=x[:, split:], background=x[:, :split], valid=valid, per_object=per_object)

    def _sample_points(self, features: NeckOutput, prompts: ObjectPrompts) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Initial queries [b, n, c] of objects as if all were points, then their keys and values [b, 4 * n, c]."""
        samples = [nearest_samples(level, prompts.points, prompts.point_frames) for level in features]
        width = self.config.width
        initial = MLP((width,) * 3, self.dtype, name="point_mlp")(jnp.concatenate(samples, axis=-1))
        values = [Dense(width, dtype=self.dtype, name=f"point_proj_{i}")(sample) for i, sample in enumerate(samples)]
        values = jnp.stack(values, axis=2)
        b, _, h, w, c = features.stride4.shape
        table = jnp.broadcast_to(sine_2d(h, w, c, normalize=False)[None, None], (b, 1, h, w, c))
        positions = nearest_samples(table, prompts.points, jnp.zeros_like(prompts.point_frames))
        keys = values + positions[:, :, None].astype(values.dtype)
        return initial, keys.reshape(b, -1, c), values.reshape(b, -1, c)

    def _embeds(self, prompts: ObjectPrompts, per_object: int) -> jax.Array:
        """The learned embed of every query's kind, [b, q, c]: background, mask object or point object."""
        names = ("background_embed", "mask_object_embed", "point_object_embed")
        init = nn.initializers.normal(1.0)
        vectors = [self.param(name, init, (self.config.width,), jnp.float32).reshape(1, 1, -1) for name in names]
        background, by_mask, by_point = vectors
        objects = jnp.where(jnp.repeat(prompts.is_point, per_object, axis=1)[..., None], by_point, by_mask)
        shape = (objects.shape[0], self.config.background_grid**2, objects.shape[2])
        return jnp.concatenate([jnp.broadcast_to(background, shape), objects], axis=1).astype(self.dtype)

    def _refine(
        self, x: jax.Array, embeds: jax.Array, keys: jax.Array, values: jax.Array, own: jax.Array, valid: jax.Array
    ) -> jax.Array:
        """Layers of self-attention among all queries [b, q, c], attention to keys [b, s, c] and feed-forward blocks."""
        config, x = self.config, x.astype(self.dtype)
        valid = jnp.pad(valid, ((0, 0), (x.shape[1] - valid.shape[1], 0)), constant_values=True)
        visible = attention_bias(valid)[:, None, None]
        for i in range(config.object_encoder_layers):
            x = ResidualAttention(config.heads, self.dtype, name=f"self_attention_{i}")(x, embeds, x + embeds, x, visible)
            x = ResidualAttention(config.heads, self.dtype, name=f"cross_attention_{i}")(x, embeds, keys, values, own)
            x = ResidualFeedForward(config.decoder_hidden, self.dtype, name=f"ffn_{i}")(x)
        return x


def _check_size(features: NeckOutput, prompts: ObjectPrompts) -> None:
    expected = tuple(CELL * size for size in features.stride4.shape[2:4])
    if prompts.masks.shape[-2:] != expected:
        raise ValueError(f"prompts.masks {prompts.masks.shape}: expected height and width {expected}, as of the images")


def _query_kinds(prompts: ObjectPrompts, per_object: int) -> tuple[jax.Array, jax.Array]:
    """Which of the object queries are in use for a point, and which are in use at all, bool [b, n * m]."""
    is_point = jnp.repeat(prompts.is_point, per_object, axis=1)
    is_first = (jnp.arange(is_point.shape[1]) % per_object == 0)[None]
    return is_point & is_first, jnp.repeat(prompts.valid, per_object, axis=1) & (~is_point | is_first)


def _cells_of_frames(features: jax.Array, frames: jax.Array) -> jax.Array:
    """The cells [b, r * h * w, c] of features [b, t, h, w, c] in frames [b, r], without gradient."""
    frames = jnp.clip(frames, 0, features.shape[1] - 1)
    cells = jax.vmap(lambda maps, indices: maps[indices])(jax.lax.stop_gradient(features), frames)
    return cells.reshape(features.shape[0], -1, features.shape[-1])


def _cell_positions(features: jax.Array, prompts: ObjectPrompts) -> jax.Array:
    """Position embeddings of the cells of all reference frames, [1, r * h * w, c]; time has no part in them."""
    _, _, h, w, c = features.shape
    return jnp.tile(sine_2d(h, w, c, normalize=False).reshape(1, -1, c), (1, prompts.frames.shape[1], 1)).astype(features.dtype)


def _means(cells: jax.Array, counts: jax.Array) -> jax.Array:
    """Mean of cells [b, s, c] with weights [b, q, s]: [b, q, c], zero for a query without pixels."""
    total = jnp.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return jnp.einsum("bqs,bsc->bqc", counts / total, cells.astype(jnp.float32)).astype(cells.dtype)


def _nothing(cells: jax.Array) -> jax.Array:
    """The key and value [b, 1, c] of queries without pixels; the original gives them a point outside of the image."""
    return jnp.zeros_like(cells[:, :1])


def own_keys(counts: jax.Array, by_point: jax.Array, per_object: int) -> jax.Array:
    """Attention bias that shows every query its own keys alone.

    A cell counts as often as the query has pixels in it: the logarithm of that number is added to its logit.

    Args:
        counts: pixels of the queries in the cells, float32 [b, q, s], background queries first.
        by_point: bool [b, n * m], the object queries that stand for a point; a point has one key for each scale.
        per_object: queries m of an object.

    Returns:
        float32 [b, 1, q, s + 1 + 4 * n] for the cells, the key of queries without pixels and point, and the keys of points.
    """
    background = counts.shape[1] - by_point.shape[1]
    objects = by_point.shape[1] // per_object
    object_of_query = np.repeat(np.arange(-background, objects), np.repeat([1, per_object], [background, objects]))
    object_of_key = np.repeat(np.arange(objects), len(NeckOutput._fields))
    by_point = jnp.pad(by_point, ((0, 0), (background, 0)))[..., None]
    at_point = by_point & (object_of_query[:, None] == object_of_key[None])[None]
    nothing = ~by_point & ~(counts > 0).any(axis=-1, keepdims=True)
    at_cells = jnp.where(counts > 0, jnp.log(jnp.maximum(counts, 1)), jnp.float32(BLOCKED))
    return jnp.concatenate([at_cells, attention_bias(nothing), attention_bias(at_point)], axis=-1)[:, None]
