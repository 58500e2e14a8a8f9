"""What the class queries of one stage of training are worth to the next (facts of the original, section 11).

A dataset that both stages have keeps its class queries. The 19 evaluated classes of Cityscapes become those of the two video
datasets that share them. All other classes start anew.
"""

import logging

import jax
import numpy as np

logger = logging.getLogger(__name__)

Vocabulary = tuple[tuple[str, int], ...]

EVALUATED_CITYSCAPES = (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33)  # official ids, which are class indices there
CITYSCAPES_SUCCESSORS = ("cityscapes_vps", "kitti_step")


def first_rows(vocabulary: Vocabulary) -> dict[str, int]:
    """Row of each dataset's first class in the semantic query table."""
    counts = [count for _, count in vocabulary]
    return {name: 1 + sum(counts[:i]) for i, (name, _) in enumerate(vocabulary)}


def carried_rows(old: Vocabulary, new: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of the old table become which rows of the new one; row 0, the embed that all classes share, stays."""
    starts, old_counts = first_rows(old), dict(old)
    pairs = [(0, 0)]
    for name, start in first_rows(new).items():
        count = dict(new)[name]
        if old_counts.get(name) == count:
            pairs += [(starts[name] + i, start + i) for i in range(count)]
        elif name in CITYSCAPES_SUCCESSORS and "cityscapes" in starts:
            pairs += [(starts["cityscapes"] + index, start + i) for i, index in enumerate(EVALUATED_CITYSCAPES)]
        else:
            logger.info("%s: its class queries start at random, as the given weights do not know the dataset", name)
    source, target = np.array(pairs, np.int32).T
    return source, target


def carry_over(old_table: jax.Array, old: Vocabulary, new_table: jax.Array, new: Vocabulary) -> jax.Array:
    """The new semantic query table [1 + k', c] with the rows that the old one [1 + k, c] has for it, placed as it was."""
    source, target = carried_rows(old, new)
    copy = jax.jit(lambda table, rows: table.at[target].set(rows), out_shardings=new_table.sharding)
    return copy(new_table, old_table[source])
