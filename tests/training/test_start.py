"""First weights of a run whose backbone has no frozen batch norms, and so no buffers."""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest

from tarvis_jax.models import backbones
from tarvis_jax.models.swin import Swin
from tarvis_jax.models.tarvis import TarViS
from tarvis_jax.training.checkpoints import CheckpointStore
from tarvis_jax.training.optimizer import make_optimizer
from tarvis_jax.training.sharding import make_mesh
from tarvis_jax.training.start import starting_state
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
