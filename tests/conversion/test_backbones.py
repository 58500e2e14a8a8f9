"""ImageNet weights in their published forms become backbones; files that do not fit are told apart."""

import pickle

import jax
import numpy as np
import pytest

from tarvis_jax.checkpoints import empty_variables
from tarvis_jax.conversion.backbones import import_backbone
from tarvis_jax.conversion.names import torch_from_variables
from tarvis_jax.errors import UserError
from tests.conversion.imagenet import classifier_of, resnet
from tests.conversion.states import SMALL, manifest

TINY = (16, (1, 1, 2, 1))  # width and depths of the backbone `tiny`
PREFIX = "backbone.backbone."


def _pickle(tmp_path, model, name="R-50.pkl"):
    file = tmp_path / name
    file.write_bytes(pickle.dumps({"model": model, "__author__": "torchvision", "matching_heuristics": True}))
    return file


def _assert_same(variables, expected):
    """Every tensor in place, by the original's names."""
    found = torch_from_variables(variables)
    assert found.keys() == {PREFIX + name for name in expected}
    for name, array in expected.items():
        np.testing.assert_array_equal(found[PREFIX + name], array, err_msg=name)


def _without(state, *prefixes):
    return {name: array for name, array in state.items() if not name.startswith(prefixes)}


def test_names_of_the_fixture_are_those_of_the_original(shared):
    _, detectron2 = resnet(64, (3, 4, 6, 3))
    stored = {entry["name"] for entry in manifest(shared, "resnet50", "finetune")}
    assert {PREFIX + name for name in _without(detectron2, "stem.fc")} == {n for n in stored if n.startswith(PREFIX)}


def test_detectron2(tmp_path):
    _, detectron2 = resnet(*TINY)
    variables = import_backbone(_pickle(tmp_path, detectron2), "tiny")
    _assert_same(variables, _without(detectron2, "stem.fc"))
    expected = {collection: {"backbone": tree["backbone"]} for collection, tree in empty_variables(SMALL).items()}
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)


def test_torchvision(tmp_path):
    torchvision, detectron2 = resnet(*TINY)
    variables = import_backbone(_pickle(tmp_path, torchvision), "tiny")
    _assert_same(variables, _without(detectron2, "stem.fc"))


@pytest.mark.parametrize(
    ("backbone", "new_norms"),
    [
        ("swin_tiny", [f"backbone.backbone.norm{i}" for i in range(4)]),
        ("convnext_tiny", [f"backbone.norm_layers.res{i}" for i in range(2, 6)]),
    ],
)
def test_output_norms_start_as_the_identity(tmp_path, backbone, new_norms):
    published = classifier_of(backbone)
    found = torch_from_variables(import_backbone(_pickle(tmp_path, published), backbone))
    for norm in new_norms:
        assert (found.pop(f"{norm}.weight") == 1).all() and (found.pop(f"{norm}.bias") == 0).all()
    kept = {name: a for name, a in published.items() if not name.startswith(("norm.", "head.")) and a.dtype == np.float32}
    kept.pop("layers.0.blocks.1.attn_mask", None)
    assert found.keys() == {PREFIX + name for name in kept}
    assert all(np.array_equal(found[PREFIX + name], array) for name, array in kept.items())


def test_a_file_of_another_backbone(tmp_path):
    _, detectron2 = resnet(*TINY)
    with pytest.raises(UserError, match=r"R-50\.pkl: holds a tiny, not a resnet50; expected --backbone=tiny or another file"):
        import_backbone(_pickle(tmp_path, detectron2), "resnet50")
    with pytest.raises(UserError, match=r"--backbone=resnet5: no such backbone; did you mean .*resnet50"):
        import_backbone(_pickle(tmp_path, detectron2), "resnet5")


def test_the_file_with_names_of_caffe2(tmp_path):
    model = {"conv1_w": np.zeros((64, 3, 7, 7)), "res2_0_branch2a_w": np.zeros(3), "res2_0_branch1_bn_s": np.zeros(3)}
    with pytest.raises(UserError, match=r"R-50\.pkl: a ResNet with Caffe2's names.* BGR.*torchvision"):
        import_backbone(_pickle(tmp_path, model), "resnet50")


def test_what_is_missing_or_of_another_shape_is_listed(tmp_path):
    _, detectron2 = resnet(*TINY)
    detectron2["res2.0.conv2.weight"] = np.zeros((16, 16, 1, 1), np.float32)
    detectron2["res4.1.conv4.weight"] = np.zeros(1, np.float32)
    del detectron2["res5.0.shortcut.norm.bias"]
    with pytest.raises(UserError) as error:
        import_backbone(_pickle(tmp_path, detectron2), "tiny")
    assert "1 missing: backbone.backbone.res5.0.shortcut.norm.bias [512]" in str(error.value)
    assert "1 unexpected: backbone.backbone.res4.1.conv4.weight [1]" in str(error.value)
    assert "backbone.backbone.res2.0.conv2.weight [16, 16, 1, 1] (expected [16, 16, 3, 3])" in str(error.value)


def test_another_index_table(tmp_path):
    published = classifier_of("swin_tiny")
    published["layers.0.blocks.0.attn.relative_position_index"] = np.zeros((49, 49), np.int64)
    with pytest.raises(UserError, match=r"layers\.0\.blocks\.0\.attn\.relative_position_index is \[\[0 0"):
        import_backbone(_pickle(tmp_path, published), "swin_tiny")


def test_other_suffixes(tmp_path):
    with pytest.raises(UserError, match=r"R-50\.npz: expected a file named \*\.pth or \*\.pkl"):
        import_backbone(tmp_path / "R-50.npz", "resnet50")
