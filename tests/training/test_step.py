"""One training step: the same on every mesh, blind to empty slots, one compiled program per task."""

import dataclasses
import itertools
from functools import partial

import jax
import numpy as np
import pytest

from data.mixture import Mixture
from data.pipeline import batches, open_sources
from tarvis_jax.models import backbones
from tarvis_jax.models.convnext import ConvNeXt
from tarvis_jax.models.queries import ClassRange
from tarvis_jax.models.swin import Swin
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


def prepare(config, task):
    mesh, model, optimizer = make_mesh(config), TarViS(config.model), make_optimizer(config.optimizer)
    state = initial_state(model, optimizer, mesh, seed=0)
    return mesh, state, make_train_step(model, optimizer, config, mesh, state, task)


def run_step(config, task, batch):
    mesh, state, step = prepare(config, task)
    _, metrics = step(state, to_devices(batch, mesh), CLASSES)
    return {name: value.item() for name, value in metrics.items()}


@pytest.fixture
def small_backbones(monkeypatch):
    """One block a stage, under names of their own; half of the branches of the Swin's last block are dropped."""
    swin = partial(Swin, 8, (1, 1, 1, 1), (1, 1, 2, 2), window=4, drop_path=0.5)
    convnext = partial(ConvNeXt, (1, 1, 1, 1), (8, 16, 32, 64))
    for name, module in (("small_swin", swin), ("small_convnext", convnext)):
        monkeypatch.setitem(backbones.BACKBONES, name, backbones.Backbone(module))


@pytest.mark.slow
@pytest.mark.parametrize(("task", "backbone"), [("vis", "tiny"), ("vps", "small_swin"), ("vos", "small_convnext")])
@pytest.mark.usefixtures("small_backbones")
def test_every_mesh_gives_the_same_step(small_config, task, backbone):
    """Random points and dropped paths are a function of the step, not of where a row lies."""
    small_config = dataclasses.replace(small_config, model=dataclasses.replace(small_config.model, backbone=backbone))
    batch = first_batch(small_config, task)
    split_rows = run_step(dataclasses.replace(small_config, mesh_data=4, mesh_fsdp=1), task, batch)
    split_weights = run_step(dataclasses.replace(small_config, mesh_data=1, mesh_fsdp=4), task, batch)
    for name, value in split_rows.items():
        assert np.isfinite(value), name
        assert split_weights[name] == pytest.approx(value, rel=1e-3), name


@pytest.mark.slow
def test_one_compiled_step_serves_all_datasets(small_config):
    mesh, state, step = prepare(small_config, "vis")
    batch = to_devices(first_batch(small_config, "vis"), mesh)
    for dataset in ("coco", "cityscapes"):
        first, count = small_config.model.first_class_row(dataset), small_config.model.num_classes(dataset)
        state, metrics = step(state, batch, ClassRange(np.int32(first), np.int32(count), slots=133))
        assert np.isfinite(metrics["loss"].item())
    assert step._cache_size() == 1


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


@pytest.mark.parametrize("task", ["vis", "vos", pytest.param("vps", marks=pytest.mark.slow)])
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


@pytest.mark.slow
def test_accumulated_parts_give_the_mean(small_config):
    """Two parts whose clips are the same have the loss and the gradient of one of them, but for the random points."""
    config = dataclasses.replace(with_data(small_config, batch_size=8), accumulate=2)
    batch = {name: np.repeat(value, 2, axis=0) for name, value in first_batch(small_config, "vis").items()}
    metrics = run_step(config, "vis", batch)
    single = run_step(small_config, "vis", first_batch(small_config, "vis"))
    assert metrics["loss"] == pytest.approx(single["loss"], rel=0.05)
    assert metrics["grad_norm"] == pytest.approx(single["grad_norm"], rel=0.2)
