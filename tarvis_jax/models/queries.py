"""Learned query tables, and the queries of one forward pass in groups.

A query has an initial value, which the decoder refines, and an embed, which every attention layer adds to it like a position.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from tarvis_jax.config import ModelConfig

GROUPS = ("instance", "background", "semantic", "background_vos", "vos")  # a pass uses the first three or the last two


@struct.dataclass
class ClassRange:
    """The classes of a dataset in the semantic query table; the range may change without a new compilation.

    Attributes:
        first: int32 [], row of the first class.
        count: int32 [], number of classes, at most `slots`.
        slots: static number k of class queries; those from `count` on are empty.
    """

    first: jax.Array | int
    count: jax.Array | int
    slots: int = struct.field(pytree_node=False)

    @classmethod
    def of(cls, config: ModelConfig, dataset: str) -> "ClassRange":
        """Exactly the classes of a dataset of the model's vocabulary.

        Raises:
            ConfigError: the model has no such dataset.
        """
        count = config.num_classes(dataset)
        return cls(config.first_class_row(dataset), count, slots=count)


@struct.dataclass
class ObjectQueries:
    """What the object encoder makes of prompts.

    Attributes:
        objects: [b, n * m, c], m consecutive queries for each of the n objects.
        background: [b, g, c], one query for each cell of the background grid.
        valid: bool [b, n * m].
        per_object: static m.
    """

    objects: jax.Array
    background: jax.Array
    valid: jax.Array
    per_object: int = struct.field(pytree_node=False)


@struct.dataclass
class QueryGroups:
    """The queries of one pass, group after group in the order of `GROUPS`.

    Attributes:
        initial: [b, q, c].
        embeds: [b, q, c].
        valid: bool [b, q]; the other queries are empty slots, which no query attends to.
        sizes: static (group, number of queries).
        per_object: static number of queries of one object; 1 in passes without objects.
    """

    initial: jax.Array
    embeds: jax.Array
    valid: jax.Array
    sizes: tuple[tuple[str, int], ...] = struct.field(pytree_node=False)
    per_object: int = struct.field(pytree_node=False, default=1)

    def split(self, x: jax.Array) -> dict[str, jax.Array]:
        """[b, q, ...] as one array for each group."""
        names, counts = zip(*self.sizes, strict=True)
        ends = [sum(counts[: i + 1]) for i in range(len(counts) - 1)]
        return dict(zip(names, jnp.split(x, ends, axis=1), strict=True))


class QueryTables(nn.Module):
    """The learned tables, all drawn from N(0, 1) at first.

    Row 0 of a table is the embed that its queries share, the other rows are their initial values. The semantic table has a row
    for each class of the vocabulary. Objects take their initial values, and those of the background around them, from the
    object encoder.
    """

    config: ModelConfig

    def setup(self) -> None:
        init = nn.with_logical_partitioning(nn.initializers.normal(1.0), ("rows", "out"))
        classes = sum(count for _, count in self.config.vocabulary)

        def table(name: str, rows: int) -> jax.Array:
            return self.param(name, init, (rows, self.config.width), jnp.float32)

        self.semantic = table("semantic_table", 1 + classes)
        self.background = table("background_table", 2)
        self.background_vos = table("background_vos_table", 2)  # its second row is part of the original and unused
        self.instance = table("instance_table", 1 + self.config.instance_queries)
        self.vos = table("vos_table", 1)

    def for_classes(self, classes: ClassRange, batch: int) -> QueryGroups:
        """Queries of instances and of the classes of a dataset (VIS, VPS), the same for all samples of the batch."""
        slots = jnp.arange(classes.slots, dtype=jnp.int32)
        rows = jnp.clip(jnp.asarray(classes.first, jnp.int32) + slots, 0, self.semantic.shape[0] - 1)
        initial = {"instance": self.instance[1:], "background": self.background[1:], "semantic": self.semantic[rows]}
        embeds = {"instance": self.instance[0], "background": self.background[0], "semantic": self.semantic[0]}
        valid = {name: jnp.ones(len(x), bool) for name, x in initial.items()}
        valid["semantic"] = slots < jnp.asarray(classes.count, jnp.int32)
        initial, valid = jax.tree.map(lambda x: jnp.broadcast_to(x[None], (batch, *x.shape)), (initial, valid))
        return _groups(initial, valid, embeds)

    def for_objects(self, queries: ObjectQueries) -> QueryGroups:
        """Queries of given objects and of the background around them (VOS, PET)."""
        initial = {"background_vos": queries.background, "vos": queries.objects}
        valid = {"background_vos": jnp.ones(queries.background.shape[:2], bool), "vos": queries.valid}
        embeds = {"background_vos": self.background_vos[0], "vos": self.vos[0]}
        return _groups(initial, valid, embeds).replace(per_object=queries.per_object)


def _groups(initial: dict[str, jax.Array], valid: dict[str, jax.Array], embeds: dict[str, jax.Array]) -> QueryGroups:
    """Joins groups given as initial values [b, q, c], validity [b, q] and one shared embed [c] each."""
    names = [name for name in GROUPS if name in initial]
    shared = [jnp.broadcast_to(embeds[name].reshape(1, 1, -1), initial[name].shape) for name in names]
    return QueryGroups(
        initial=jnp.concatenate([initial[name] for name in names], axis=1),
        embeds=jnp.concatenate(shared, axis=1),
        valid=jnp.concatenate([valid[name] for name in names], axis=1),
        sizes=tuple((name, initial[name].shape[1]) for name in names),
    )
