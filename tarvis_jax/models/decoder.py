"""Masked-attention decoder: refines queries against the features of a clip and predicts masks and classes at every stage."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from tarvis_jax.config import ModelConfig
from tarvis_jax.models.attention_masks import BLOCKED, attention_bias, frames_in_use, mask_bias, shrink
from tarvis_jax.models.layers import MLP, Dense, layer_norm
from tarvis_jax.models.positions import sine_3d
from tarvis_jax.models.queries import GROUPS, QueryGroups
from tarvis_jax.models.residual_blocks import ResidualAttention, ResidualFeedForward
from tarvis_jax.models.temporal_neck import NeckOutput

SCALES = ("stride32", "stride16", "stride8")  # layer i attends to scale i mod 3


@struct.dataclass
class Predictions:
    """What the decoder predicts at its l = layers + 1 stages; stage 0 is that of the initial queries.

    Attributes:
        features: [b, t, h / 4, w / 4, c]; their products with mask embeddings are mask logits.
        mask_embeddings: for each group of queries in use [l, b, q, c].
        class_logits: float32 [l, b, q, 1 + k] of the instance queries, column 0 the background; None where objects are given.
            Columns of empty class slots hold a large negative number.
        query_valid: bool [b, q], the groups in the order of `GROUPS`.
        per_object: static number of consecutive "vos" queries of one object.
    """

    features: jax.Array
    mask_embeddings: dict[str, jax.Array]
    class_logits: jax.Array | None
    query_valid: jax.Array
    per_object: int = struct.field(pytree_node=False, default=1)

    def mask_logits(self, group: str, stage: int) -> jax.Array:
        """Mask logits of a group's queries at one stage, float32 [b, q, t, h / 4, w / 4]."""
        embeddings = self.mask_embeddings[group][stage]
        return jnp.einsum("bqc,bthwc->bqthw", embeddings, self.features, preferred_element_type=jnp.float32)

    def valid(self, group: str) -> jax.Array:
        """Which queries of a group are no empty slots, bool [b, q]."""
        before = [name for name in GROUPS[: GROUPS.index(group)] if name in self.mask_embeddings]
        start = sum(self.mask_embeddings[name].shape[2] for name in before)
        return self.query_valid[:, start : start + self.mask_embeddings[group].shape[2]]


class Stage(NamedTuple):
    """Predictions of one stage: mask embeddings [b, q, c] by group; class logits [b, q, 1 + k] or None."""

    mask_embeddings: dict[str, jax.Array]
    class_logits: jax.Array | None


class Memory(NamedTuple):
    """One scale as the decoder reads it: keys and values [b, s, c], features for attention masks float32 [b, t, h, w, c]."""

    keys: jax.Array
    values: jax.Array
    mask_features: jax.Array


class Decoder(nn.Module):
    """Layers of masked cross-attention, self-attention and feed-forward; norms after the sums, one shared norm for all stages.

    The mask head "free" and the class heads of the groups without classes are part of the original's checkpoints; nothing uses
    them.
    """

    config: ModelConfig
    dtype: jnp.dtype = jnp.float32

    def setup(self) -> None:
        config, layers = self.config, range(self.config.decoder_layers)
        self.cross_attention = [ResidualAttention(config.heads, self.dtype) for _ in layers]
        self.self_attention = [ResidualAttention(config.heads, self.dtype) for _ in layers]
        self.ffn = [ResidualFeedForward(config.decoder_hidden, self.dtype) for _ in layers]
        self.decoder_norm = layer_norm("decoder_norm", self.dtype)
        self.mask_head = {group: MLP((config.width,) * 3, self.dtype) for group in (*GROUPS, "free")}
        self.class_head = {group: Dense(config.width, dtype=self.dtype) for group in GROUPS}
        init = nn.with_logical_partitioning(nn.initializers.normal(1.0), ("rows", "out"))
        self.scale_embed = self.param("scale_embed", init, (len(SCALES), config.width), jnp.float32)

    def __call__(self, features: NeckOutput, queries: QueryGroups, lengths: jax.Array | None = None) -> Predictions:
        """Refines the queries. The running queries of all stages, [b, q, c] each, are sown as intermediates "queries".

        `lengths`: int32 [b], the true number of frames of each clip; None if all are whole.
        """
        if self.is_initializing():
            self._touch_heads(queries)
        memories = [self._memory(features, scale, lengths) for scale in range(len(SCALES))]
        in_use = None if lengths is None else frames_in_use(features.stride4.shape[1], lengths)
        visible = attention_bias(queries.valid)[:, None, None]
        x, embeds = queries.initial.astype(self.dtype), queries.embeds.astype(self.dtype)
        stages = [self._predict(x, queries)]
        for i in range(self.config.decoder_layers):
            memory = memories[i % len(SCALES)]
            mask_embeddings = jnp.concatenate(list(stages[-1].mask_embeddings.values()), axis=1)
            in_mask = mask_bias(mask_embeddings, memory.mask_features, in_use)
            x = self.cross_attention[i](x, embeds, memory.keys, memory.values, in_mask)
            x = self.self_attention[i](x, embeds, x + embeds, x, visible)
            x = self.ffn[i](x)
            stages.append(self._predict(x, queries))
        stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *stages)
        return Predictions(features.stride4, *stacked, queries.valid, queries.per_object)

    def _memory(self, features: NeckOutput, scale: int, lengths: jax.Array | None) -> Memory:
        level = getattr(features, SCALES[scale])
        b, t, h, w, c = level.shape
        values = level.reshape(b, -1, c) + self.scale_embed[scale].astype(level.dtype).reshape(1, 1, -1)
        positions = sine_3d(t, h, w, c, lengths).astype(level.dtype)
        positions = positions.reshape(positions.shape[0], -1, c)
        return Memory(values + positions, values, shrink(features.stride4, features.stride4.shape[2] // h))

    def _predict(self, x: jax.Array, queries: QueryGroups) -> Stage:
        """The predictions of running queries x [b, q, c]."""
        self.sow("intermediates", "queries", x)
        groups = queries.split(self.decoder_norm(x))
        embeddings = {group: self.mask_head[group](y) for group, y in groups.items()}
        return Stage(embeddings, self._class_logits(groups, queries) if "instance" in groups else None)

    def _class_logits(self, groups: dict[str, jax.Array], queries: QueryGroups) -> jax.Array:
        """Products of every instance query with the background's and the classes' queries, float32 [b, q, 1 + k]."""
        heads = {group: self.class_head[group](x) for group, x in groups.items()}

        def products(group: str) -> jax.Array:
            return jnp.einsum("bqc,bkc->bqk", heads["instance"], heads[group], preferred_element_type=jnp.float32)

        background = products("background").max(axis=-1, keepdims=True)
        classes = products("semantic")
        valid = jnp.broadcast_to(queries.split(queries.valid)["semantic"][:, None], classes.shape)
        return jnp.concatenate([background, jnp.where(valid, classes, jnp.float32(BLOCKED))], axis=-1)

    def _touch_heads(self, queries: QueryGroups) -> None:
        """Makes the variables of all heads, whichever groups of queries the first pass has."""
        x = queries.initial[:, :1].astype(self.dtype)
        for head in (*self.mask_head.values(), *self.class_head.values()):
            head(x)
