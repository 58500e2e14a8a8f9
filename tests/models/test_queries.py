"""Query tables and groups: which rows become which queries."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tarvis_jax.config import ConfigError
from tarvis_jax.models.queries import ClassRange, ObjectQueries, QueryTables
from tests.models.small import SMALL

TABLES = QueryTables(SMALL)


def _numbered_tables():
    """Tables whose rows hold 100 * table + row."""
    rows = {"semantic": 9, "background": 2, "background_vos": 2, "instance": 7, "vos": 1}
    numbers = {name: 100.0 * i + jnp.arange(n, dtype=jnp.float32) for i, (name, n) in enumerate(rows.items())}
    return {"params": {f"{name}_table": jnp.tile(x[:, None], (1, SMALL.width)) for name, x in numbers.items()}}


def _for_classes(classes):
    return TABLES.apply(_numbered_tables(), classes, 2, method="for_classes")


def test_groups_of_a_dataset():
    groups = _for_classes(ClassRange.of(SMALL, "second"))
    assert groups.sizes == (("instance", 6), ("background", 1), ("semantic", 5))
    np.testing.assert_array_equal(groups.initial[1, :, 0], [301, 302, 303, 304, 305, 306, 101, 4, 5, 6, 7, 8])
    np.testing.assert_array_equal(groups.embeds[0, :, -1], [300] * 6 + [100] + [0] * 5)
    assert groups.valid.all() and groups.valid.shape == (2, 12)
    parts = groups.split(groups.initial)
    assert {name: x.shape[1] for name, x in parts.items()} == dict(groups.sizes)
    np.testing.assert_array_equal(parts["semantic"][0, :, 0], [4, 5, 6, 7, 8])


@pytest.mark.parametrize(("dataset", "rows"), [("first", [1, 2, 3]), ("second", [4, 5, 6, 7, 8])])
def test_range_of_more_slots_than_classes_is_chosen_at_run_time(dataset, rows):
    exact = ClassRange.of(SMALL, dataset)
    groups = jax.jit(_for_classes)(ClassRange(np.int32(exact.first), np.int32(exact.count), slots=6))
    assert groups.initial.shape == (2, 13, SMALL.width)
    np.testing.assert_array_equal(groups.initial[0, 7 : 7 + len(rows), 0], rows)
    np.testing.assert_array_equal(groups.valid, [[True] * (7 + len(rows)) + [False] * (6 - len(rows))] * 2)


def test_groups_of_objects():
    valid = jnp.array([[True, True, True, False]])
    queries = ObjectQueries(jnp.full((1, 4, 64), 7.0), jnp.full((1, 16, 64), 8.0), valid, per_object=2)
    groups = TABLES.apply(_numbered_tables(), queries, method="for_objects")
    assert groups.sizes == (("background_vos", 16), ("vos", 4)) and groups.per_object == 2
    np.testing.assert_array_equal(groups.initial[0, :, 0], [8] * 16 + [7] * 4)
    np.testing.assert_array_equal(groups.embeds[0, :, 0], [200] * 16 + [400] * 4)
    np.testing.assert_array_equal(groups.valid[0], [True] * 19 + [False])


def test_tables_start_as_normal_numbers():
    variables = TABLES.init(jax.random.key(0), ClassRange.of(SMALL, "first"), 1, method="for_classes")["params"]
    assert all(boxed.names == ("rows", "out") for boxed in variables.values())
    numbers = np.concatenate([np.ravel(x) for x in nn.unbox(variables).values()])
    assert numbers.size == 21 * 64
    assert abs(numbers.mean()) < 0.1 and abs(numbers.std() - 1) < 0.1


def test_unknown_dataset():
    with pytest.raises(ConfigError, match="'secnd' has no class queries in this model; did you mean second"):
        ClassRange.of(SMALL, "secnd")
