"""The optimizer against the original's settings, parameter by parameter, and its schedule."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util

from tarvis_jax.config import OptimizerConfig
from tarvis_jax.conversion import names
from tarvis_jax.training.optimizer import learning_rate_schedule, make_optimizer

CONSTANTS = OptimizerConfig(learning_rate=1e-4, decay_steps=(), clip_norm=0.01)


@pytest.fixture(scope="module")
def manifest(shared):
    rows = json.loads((shared / "reference" / "manifest_resnet50_pretrain.json").read_text())
    return {row["name"]: row for row in rows if not row["is_buffer"]}


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_schedule_is_the_originals(shared, stage):
    stored = json.loads((shared / "reference" / "schedule.json").read_text())[stage]
    config = OptimizerConfig(
        learning_rate=stored["base_lr"],
        decay_steps=tuple(stored["decay_steps"]),
        warmup_steps=stored.get("warmup_iterations", 0),
    )
    schedule = learning_rate_schedule(config)
    for step, (rate, backbone_rate) in stored["lr_at_step"].items():
        found = float(schedule(jnp.asarray(int(step))))
        assert found == pytest.approx(rate, rel=1e-5, abs=1e-12), step
        assert found * config.backbone_factor == pytest.approx(backbone_rate, rel=1e-5, abs=1e-12), step


def test_rate_and_decay_of_every_parameter(manifest):
    """Two updates, without and with a weight, tell an entry's learning rate and decay apart."""
    state = {name: np.full([min(n, 2) for n in row["shape"]], 0.5, np.float32) for name, row in manifest.items()}
    params = names.variables_from_torch(state)["params"]
    optimizer = make_optimizer(CONSTANTS)
    gradients = jax.tree.map(lambda p: np.full_like(p, 1e-3), params)

    def change(values):
        updates, _ = optimizer.update(gradients, optimizer.init(values), values)
        return names.torch_from_variables({"params": updates})

    with_weight, without = change(params), change(jax.tree.map(np.zeros_like, params))
    for name, row in manifest.items():
        if name.startswith(("decoder.mask_embeds.free", "decoder.proj_layers.vos", "decoder.proj_layers.background_vos")):
            assert not with_weight[name].any(), name  # the original never touches what no task uses
            continue
        np.testing.assert_allclose(without[name], -row["lr"], rtol=0.01, err_msg=name)
        decay = (without[name] - with_weight[name]) / (row["lr"] * 0.5)
        np.testing.assert_allclose(decay, row["weight_decay"], atol=2e-3, err_msg=name)


def test_gradients_are_clipped_together():
    """Adam's first moments hold a tenth of the clipped gradient."""
    params = {"neck": {"kernel": jnp.zeros((2,))}, "decoder": {"kernel": jnp.zeros((1,))}}
    gradients = {"neck": {"kernel": jnp.array([3.0, 0.0])}, "decoder": {"kernel": jnp.array([4.0])}}
    optimizer = make_optimizer(CONSTANTS)
    _, state = optimizer.update(gradients, optimizer.init(params), params)
    moments = traverse_util.flatten_dict(optax.tree_utils.tree_get(state, "mu"), sep="/")
    np.testing.assert_allclose(moments["neck/kernel"], [0.1 * 0.01 * 3 / 5, 0], rtol=1e-5)
    np.testing.assert_allclose(moments["decoder/kernel"], [0.1 * 0.01 * 4 / 5], rtol=1e-5)
