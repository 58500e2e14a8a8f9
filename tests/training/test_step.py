"""One training step: the same on every mesh, blind to empty slots, one compiled program per task."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from data.mixture import Mixture
from data.pipeline import batches, open_sources
from tarvis_jax.config import TASKS
from tarvis_jax.models.queries import ClassRange
from tarvis_jax.models.tarvis import TarViS
from tarvis_jax.training.optimizer import make_optimizer
from tarvis_jax.training.sharding import make_mesh, to_devices
from tarvis_jax.training.state import initial_state
from tarvis_jax.training.step import make_loss, make_train_step
from tests.training.conftest import with_data

ONLY = {"vis": {"vis": 1.0}, "vps": {"vps": 1.0}, "vos": {"vos": 0.5, "pet": 0.5}}
CLASSES = ClassRange(np.int32(185), np.int32(133), slots=133)


def first_batch(config, task):
    config = with_data(config, task_weights=ONLY[task]).data
    sources = open_sources(config)
    assert Mixture(config, {name: len(s) for name, s in sources.items()}).plan(0).task == task
    with batches(config, sources, start_step=0, rows=slice(0, config.batch_size)) as stream:
        return next(iter(stream))


def run_step(config, task, batch):
    mesh, model, optimizer = make_mesh(config), TarViS(config.model), make_optimizer(config.optimizer)
    state = initial_state(model, optimizer, mesh, seed=0)
    state, metrics = make_train_step(model, optimizer, config, mesh, state, task)(state, to_devices(batch, mesh), CLASSES)
    return state, {name: value.item() for name, value in metrics.items()}


@pytest.mark.parametrize("task", TASKS)
def test_every_mesh_gives_the_same_step(small_config, task):
    batch = first_batch(small_config, task)
    results = []
    for data, fsdp in ((4, 1), (1, 4)):
        config = dataclasses.replace(small_config, mesh_data=data, mesh_fsdp=fsdp)
        results.append(run_step(config, task, batch))
    (state, metrics), (other_state, other_metrics) = results
    for name, value in metrics.items():
        assert other_metrics[name] == pytest.approx(value, rel=2e-4), name
        assert np.isfinite(value), name
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), jax.device_get(state.params), jax.device_get(other_state.params))
    assert max(jax.tree.leaves(moved)) < 2 * 1e-3  # Adam moves a weight by at most the rate, either way


def garbage(batch, seed):
    """The batch with random values in everything that belongs to empty slots."""
    rng = np.random.default_rng(seed)
    batch, empty = dict(batch), ~batch["instance_valid"]
    assert empty.any()
    for name, values in (
        ("instance_class", rng.integers(-5, 500, empty.shape)),
        ("is_point", rng.random(empty.shape) < 0.5),
        ("points", rng.normal(0, 3, (*empty.shape, 2))),
    ):
        where = empty[..., None] if name == "points" else empty
        batch[name] = np.where(where, values, batch[name]).astype(batch[name].dtype)
    maps = batch["instance_map"].copy()
    for row, column in itertools.product(*map(range, empty.shape)):
        if empty[row, column]:
            maps[row][(maps[row] == 0) & (rng.random(maps[row].shape) < 0.1)] = column + 1
    return {**batch, "instance_map": maps}


@pytest.mark.parametrize("task", TASKS)
def test_garbage_in_empty_slots_changes_no_loss_and_no_gradient(small_config, task):
    mesh, model = make_mesh(small_config), TarViS(small_config.model)
    state = initial_state(model, make_optimizer(small_config.optimizer), mesh, seed=0)
    loss = jax.jit(jax.value_and_grad(make_loss(model, small_config, mesh, task), has_aux=True))
    batch = first_batch(small_config, task)

    def evaluate(rows):
        return jax.device_get(loss(state.params, state.buffers, to_devices(rows, mesh), CLASSES, jax.random.key(1)))

    clean, dirty = evaluate(batch), evaluate(garbage(batch, 3))
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(clean))


def test_accumulated_parts_give_the_mean(small_config):
    """Two parts whose clips are the same have the gradient, and so the norm, of one of them."""
    config = dataclasses.replace(with_data(small_config, batch_size=8), accumulate=2)
    batch = {name: np.repeat(value, 2, axis=0) for name, value in first_batch(small_config, "vis").items()}
    _, metrics = run_step(config, "vis", batch)
    _, single = run_step(small_config, "vis", first_batch(small_config, "vis"))
    assert metrics["loss"] == pytest.approx(single["loss"], rel=0.05)  # other random points
    assert metrics["grad_norm"] == pytest.approx(single["grad_norm"], rel=0.2)
