"""Matching: costs and assignments against the original's and SciPy's; empty slots; one device and several."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from scipy.optimize import linear_sum_assignment

from tarvis_jax.losses.matching import match
from tarvis_jax.losses.stages import stage_costs
from tests.parity import LOSS

matched = jax.jit(match)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(("name", "prefix"), [("instance_seg", "pred"), ("panoptic_seg", "pred_instance")])
def test_costs_and_matches_are_the_original_s(cases, config, name, prefix):
    case = cases(name)
    batch, draws = case.batch(), case.instance_draws()["match"]
    masks, classes = case[f"in/{prefix}_mask_logits"], case[f"in/{prefix}_class_logits"]

    @jax.jit
    def costs_of(logits, class_logits, points):
        return stage_costs(logits, batch["instance_map"], class_logits, batch["instance_class"], lambda *_: points, config)

    costs = jnp.stack([costs_of(jnp.swapaxes(masks[s], 1, 2), classes[s], draws[s]) for s in range(2)])
    queries = matched(costs, batch["instance_valid"])
    for stage in range(2):
        for sample in range(2):
            expected = case[f"match/{2 * stage + sample:03d}_cost"]
            np.testing.assert_allclose(costs[stage, sample, :, : expected.shape[1]], expected, rtol=LOSS)
            query_index, slot = case.match(stage, sample)
            np.testing.assert_array_equal(queries[stage, sample, slot], query_index)


@pytest.mark.parametrize(("q", "n"), [(12, 5), (6, 6)])
def test_matches_are_optimal(rng, q, n):
    costs, valid = rng.normal(size=(5, 4, q, n)).astype(np.float32), rng.random((4, n)) < 0.7
    found = np.asarray(matched(costs, valid))
    for stage, sample in np.ndindex(5, 4):
        slots = np.flatnonzero(valid[sample])
        query, column = linear_sum_assignment(costs[stage, sample][:, slots])
        expected = np.empty(len(slots), int)
        expected[column] = query
        np.testing.assert_array_equal(found[stage, sample, slots], expected)
        assert len(set(found[stage, sample])) == n


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_empty_slots_may_hold_anything(rng, garbage):
    costs, valid = rng.normal(size=(2, 3, 12, 5)).astype(np.float32), np.arange(5) < np.array([[0], [2], [5]])
    dirty = np.where(valid[None, :, None], costs, np.float32(garbage))
    np.testing.assert_array_equal(matched(dirty, valid), matched(costs, valid))


def test_predictions_that_are_no_numbers_end_and_lose(rng):
    costs = rng.normal(size=(1, 1, 12, 5)).astype(np.float32)
    costs[0, 0, 3] = np.nan
    costs[0, 0, 4] = np.inf
    queries = np.asarray(matched(costs, np.ones((1, 5), bool)))[0, 0]
    assert len(set(queries)) == 5
    assert not {3, 4} & set(queries)
    everything = np.asarray(matched(np.full_like(costs, np.nan), np.ones((1, 5), bool)))[0, 0]
    assert len(set(everything)) == 5


def test_more_slots_than_queries_is_an_error():
    with pytest.raises(ValueError, match="32 instance slots need as many queries, the model has 20"):
        match(jnp.zeros((1, 1, 20, 32)), jnp.zeros((1, 32), bool))


def test_devices_match_their_rows_without_talking(rng):
    costs, valid = rng.normal(size=(3, 8, 12, 5)).astype(np.float32), rng.random((8, 5)) < 0.7
    mesh = jax.make_mesh((2, 2), ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2)
    stages = NamedSharding(mesh, PartitionSpec(None, ("data", "fsdp")))
    rows = NamedSharding(mesh, PartitionSpec(("data", "fsdp")))
    on_devices = jax.device_put(costs, stages), jax.device_put(valid, rows)
    compiled = jax.jit(lambda c, v: match(c, v, mesh)).lower(*on_devices).compile()
    text = compiled.as_text()
    assert re.search(r"\bwhile\(", text)
    assert not re.search(r"all-(reduce|gather|to-all)|collective-permute|reduce-scatter", text)
    np.testing.assert_array_equal(compiled(*on_devices), matched(costs, valid))
