"""The optimizer against the original's settings, parameter by parameter, and its schedule."""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util

from tarvis_jax.config import OptimizerConfig
from tarvis_jax.conversion import names
from tarvis_jax.models.backbones import make_backbone
from tarvis_jax.training.optimizer import learning_rate_schedule, make_optimizer

CONSTANTS = OptimizerConfig(learning_rate=1e-4, decay_steps=(), clip_norm=0.01)


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


def assert_rates_and_decays(shapes, expected):
    """Two updates, without and with a weight, tell an entry's learning rate and decay apart.

    Args:
        shapes: of the parameters, by the original's names.
        expected: (rate, decay) for each of them.
    """
    state = {name: np.full([min(n, 2) for n in shape], 0.5, np.float32) for name, shape in shapes.items()}
    params = names.variables_from_torch(state)["params"]
    optimizer = make_optimizer(CONSTANTS)
    gradients = jax.tree.map(lambda p: np.full_like(p, 1e-3), params)

    def change(values):
        updates, _ = optimizer.update(gradients, optimizer.init(values), values)
        return names.torch_from_variables({"params": updates})

    with_weight, without = change(params), change(jax.tree.map(np.zeros_like, params))
    for name, (rate, decay) in expected.items():
        if name.startswith(("decoder.mask_embeds.free", "decoder.proj_layers.vos", "decoder.proj_layers.background_vos")):
            assert not with_weight[name].any(), name  # the original never touches what no task uses
            continue
        np.testing.assert_allclose(without[name], -rate, rtol=0.01, err_msg=name)
        found = (without[name] - with_weight[name]) / (rate * 0.5)
        np.testing.assert_allclose(found, decay, atol=2e-3, err_msg=name)


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
@pytest.mark.parametrize("backbone", ["resnet50", "swin_tiny", "swin_large"])
def test_rate_and_decay_of_every_parameter(shared, backbone, stage):
    manifest = json.loads((shared / "reference" / f"manifest_{backbone}_{stage}.json").read_text())
    rows = {row["name"]: row for row in manifest if not row["is_buffer"]}
    expected = {name: (row["lr"], row["weight_decay"]) for name, row in rows.items()}
    assert_rates_and_decays({name: row["shape"] for name, row in rows.items()}, expected)


def test_convnext_decays_all_over_and_its_output_norms_learn_fast():
    """The original's rule for norms does not know ConvNeXt's own class (facts of the original, section 9, corrected)."""
    module = make_backbone("convnext_tiny")
    made = nn.unbox(jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 64, 64, 3))))["params"]
    empty = jax.tree.map(lambda x: np.broadcast_to(np.float32(0), x.shape), made)
    shapes = {name: x.shape for name, x in names.torch_from_variables({"params": {"backbone": empty}}).items()}
    assert len(shapes) == 186
    expected = {name: (1e-4 if name.startswith("backbone.norm_layers.") else 1e-5, 0.05) for name in shapes}
    assert_rates_and_decays(shapes, expected)


def test_gradients_are_clipped_together():
    """Adam's first moments hold a tenth of the clipped gradient."""
    params = {"neck": {"kernel": jnp.zeros((2,))}, "decoder": {"kernel": jnp.zeros((1,))}}
    gradients = {"neck": {"kernel": jnp.array([3.0, 0.0])}, "decoder": {"kernel": jnp.array([4.0])}}
    optimizer = make_optimizer(CONSTANTS)
    _, state = optimizer.update(gradients, optimizer.init(params), params)
    moments = traverse_util.flatten_dict(optax.tree_utils.tree_get(state, "mu"), sep="/")
    np.testing.assert_allclose(moments["neck/kernel"], [0.1 * 0.01 * 3 / 5, 0], rtol=1e-5)
    np.testing.assert_allclose(moments["decoder/kernel"], [0.1 * 0.01 * 4 / 5], rtol=1e-5)
