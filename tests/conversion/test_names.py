"""Name tables: every tensor of the original finds its place and comes back unchanged."""

import json

import numpy as np
import pytest

from tarvis_jax.conversion import names


@pytest.fixture(scope="module")
def state(shared):
    """Random tensors under the names and shapes of the ResNet-50 fine-tuning model."""
    manifest = json.loads((shared / "reference" / "manifest_resnet50_finetune.json").read_text())
    rng = np.random.default_rng(0)
    kept = [entry for entry in manifest if not names.is_constant(entry["name"])]
    return {entry["name"]: rng.standard_normal(entry["shape"], np.float32) for entry in kept}


def _leaves(tree):
    return sum(_leaves(x) if isinstance(x, dict) else 1 for x in tree.values())


@pytest.mark.parametrize(
    "part", ["backbone.backbone.", "backbone.fpn.", "embedding_container.", "vos_query_extractor.", "decoder."]
)
def test_every_tensor_comes_back_bit_for_bit(state, part):
    before = {name: array for name, array in state.items() if name.startswith(part)}
    variables = names.variables_from_torch(before)
    after = names.torch_from_variables(variables)
    assert _leaves(variables) == len(before)
    assert after.keys() == before.keys()
    for name, array in before.items():
        assert after[name].dtype == array.dtype and np.array_equal(after[name], array), name


def test_layouts():
    rng = np.random.default_rng(0)
    layer = "backbone.fpn.transformer.encoder.temporal_layers.3."
    convolution, linear, packed = (rng.normal(size=shape) for shape in ((5, 4, 3, 2), (3, 2), (6, 2)))
    neck = names.variables_from_torch(
        {
            "backbone.fpn.layer_1.weight": convolution,
            layer + "linear1.weight": linear,
            layer + "self_attn.in_proj_weight": packed,
        }
    )["params"]["neck"]
    np.testing.assert_array_equal(neck["layer_1"]["kernel"], np.einsum("oihw->hwio", convolution))
    x = rng.normal(size=2)
    np.testing.assert_allclose(x @ neck["temporal_3"]["ffn"]["linear1"]["kernel"], linear @ x)
    np.testing.assert_allclose(x @ neck["temporal_3"]["self_attn"]["in_proj_kernel"], packed @ x)


def test_frozen_norms_are_buffers(state):
    variables = names.variables_from_torch({k: v for k, v in state.items() if k.startswith("backbone.backbone.")})
    norm = variables["buffers"]["backbone"]["res3_0"]["shortcut"]["norm"]
    assert norm.keys() == {"weight", "bias", "running_mean", "running_var"}
    assert variables["params"]["backbone"]["res3_0"]["shortcut"].keys() == {"conv"}


def test_constants_are_left_out():
    assert names.variables_from_torch(dict.fromkeys(names.CONSTANTS, np.zeros(3))) == {"params": {}, "buffers": {}}


def test_no_two_rules_claim_the_same_tensor(state):
    for name in state:
        assert sum(bool(rule.torch_pattern.fullmatch(name)) for rule in names._TRANSLATIONS) <= 1, name


def test_unknown_names_are_listed():
    weights = {"backbone.fpn.layer_7.weight": np.zeros(1), "head.bias": np.zeros(1)}
    with pytest.raises(names.StateNameError, match=r"2 tensors .*: backbone\.fpn\.layer_7\.weight, head\.bias"):
        names.variables_from_torch(weights)
    with pytest.raises(names.StateNameError, match="params/neck/extra/kernel"):
        names.torch_from_variables({"params": {"neck": {"extra": {"kernel": np.zeros(1)}}}})
