"""The original's network with its rule-made weights, and inputs of the stored forward passes."""

import importlib.util
import json

import jax
import numpy as np
import pytest

from tarvis_jax.config import ModelConfig
from tarvis_jax.conversion import names
from tarvis_jax.models.backbones import make_backbone, normalize_images
from tarvis_jax.models.temporal_neck import TemporalNeck


@pytest.fixture(scope="session")
def make_weight(shared):
    """The rule (name, shape) -> array behind the stored numbers; None where the original's constructor decides."""
    spec = importlib.util.spec_from_file_location("weights_rule", shared / "reference" / "weights_rule.py")
    rule = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rule)
    return rule.make_weight


@pytest.fixture(scope="session")
def reference_state(shared, make_weight):
    """The state dict of the ResNet-50 fine-tuning model: arrays by the original's names, constants left out."""
    manifest = json.loads((shared / "reference" / "manifest_resnet50_finetune.json").read_text())
    made = {entry["name"]: make_weight(entry["name"], entry["shape"]) for entry in manifest}
    return {name: array for name, array in made.items() if array is not None}


@pytest.fixture(scope="session")
def reference_variables(reference_state):
    """The same weights as flax variables, {"params": ..., "buffers": ...}."""
    return names.variables_from_torch(reference_state)


@pytest.fixture(scope="session")
def helpers(shared):
    """Stored inputs and outputs of the original's helper functions."""
    with np.load(shared / "reference" / "helpers.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def stored_vis(shared):
    """Inputs and outputs of the original's VIS forward pass, channels first and subsampled by `strides`."""
    with np.load(shared / "reference" / "forward_resnet50_vis.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def reference_maps(stored_vis, reference_variables):
    """(res2, ..., res5) of the ResNet-50 on the stored frames, each [1, 4, h, w, c]."""
    images = np.pad(stored_vis["images"], ((0, 0), (0, 32), (0, 32), (0, 0)), constant_values=128)
    weights = {collection: tree["backbone"] for collection, tree in reference_variables.items()}
    with jax.default_matmul_precision("highest"):
        maps = jax.jit(make_backbone("resnet50").apply)(weights, normalize_images(images, "resnet50"))
    return tuple(x[None] for x in maps)


@pytest.fixture(scope="session")
def reference_features(reference_maps, reference_variables):
    """`NeckOutput` of the temporal neck on the maps above, features [1, 4, h, w, 256]."""
    with jax.default_matmul_precision("highest"):
        return jax.jit(TemporalNeck(ModelConfig()).apply)({"params": reference_variables["params"]["neck"]}, *reference_maps)
