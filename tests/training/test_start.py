"""First weights of a run whose backbone has no frozen batch norms, and so no buffers."""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest

from tarvis_jax.models import backbones
from tarvis_jax.models.object_points import no_prompts
from tarvis_jax.models.swin import Swin
from tarvis_jax.models.tarvis import TarViS
from tarvis_jax.training.checkpoints import CheckpointStore
from tarvis_jax.training.optimizer import make_optimizer
from tarvis_jax.training.sharding import make_mesh
from tarvis_jax.training.start import scale_branches, starting_state
from tarvis_jax.training.state import initial_state
from tests.training.conftest import with_data


@pytest.fixture
def swin_config(small_config, monkeypatch):
    module = partial(Swin, 8, (1, 1, 1, 1), (1, 1, 1, 1), window=4)
    monkeypatch.setitem(backbones.BACKBONES, "small_swin", backbones.Backbone(module))
    return dataclasses.replace(small_config, model=dataclasses.replace(small_config.model, backbone="small_swin"))


def start(config, workdir):
    """The first state of a run, saved as its step 1."""
    model, optimizer = TarViS(config.model), make_optimizer(config.optimizer)
    with CheckpointStore(workdir, config) as store:
        state = starting_state(model, optimizer, config, make_mesh(config), store)
        store.save(1, state)
    return state


def assert_equal(found, expected):
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.slow
def test_checkpoints_without_buffers(swin_config, tmp_path):
    first = start(swin_config, tmp_path / "first")
    assert first.buffers == {}
    assert_equal(start(swin_config, tmp_path / "first").params, first.params)
    other = with_data(swin_config, seed=1)
    whole = start(dataclasses.replace(other, init_from=str(tmp_path / "first")), tmp_path / "whole")
    assert_equal(whole.params, first.params)
    backbone = start(dataclasses.replace(other, backbone_from=str(tmp_path / "first")), tmp_path / "backbone")
    assert_equal(backbone.params["backbone"], first.params["backbone"])
    assert not np.array_equal(backbone.params["queries"]["instance_table"], first.params["queries"]["instance_table"])


def test_branches_that_start_at_nothing_leave_the_objects_as_the_features_have_them(small_config):
    """With the factor 0 a query is the mean feature of its object's pixels, up to the layer norms; the backbone stays."""
    config = dataclasses.replace(small_config, model=dataclasses.replace(small_config.model, queries_per_object=1))
    model = TarViS(config.model)
    state = initial_state(model, make_optimizer(config.optimizer), make_mesh(config), seed=0)
    params = scale_branches(state.params, 0.0)
    assert_equal(params["backbone"], state.params["backbone"])

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1, 1, 64, 64, 3), dtype=np.uint8)
    mask = np.zeros((1, 1, 1, 64, 64), bool)
    mask[..., 16:32, 8:40] = True
    prompts = no_prompts(1, 1, 1, 64, 64).replace(masks=mask, frames=np.zeros((1, 1), np.int32), valid=np.ones((1, 1), bool))
    variables = {"params": params, "buffers": state.buffers}
    features = model.apply(variables, images, method="extract_features")
    queries = model.apply(variables, features, prompts, train=True, point_key=jax.random.key(0), method="make_object_queries")
    vos = queries.split(queries.initial)["vos"][0, 0]
    mean = np.asarray(features.stride4)[0, 0, 4:8, 2:10].reshape(-1, config.model.width).mean(axis=0)
    np.testing.assert_allclose(vos, (mean - mean.mean()) / mean.std(), atol=1e-3)
