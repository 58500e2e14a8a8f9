"""The original's network with its rule-made weights, and inputs of the stored forward passes."""

import jax
import numpy as np
import pytest

from tarvis_jax.config import ModelConfig
from tarvis_jax.models import backbones
from tarvis_jax.models.temporal_neck import TemporalNeck
from tests.models import stored_forward


@pytest.fixture(scope="session")
def make_weight(shared):
    """The rule (name, shape) -> array behind the stored numbers; None where the original's constructor decides."""
    return stored_forward.weights_rule(shared)


@pytest.fixture(scope="session", params=["resnet50", "swin_tiny"])
def reference_backbone(request):
    """The backbones of the stored passes, one after the other."""
    return request.param


@pytest.fixture(scope="session")
def reference_variables(shared, reference_backbone):
    """Variables of the fine-tuning model with the rule-made weights, {"params": ..., "buffers": ...}."""
    return stored_forward.reference_variables(shared, reference_backbone)


@pytest.fixture(scope="session")
def helpers(shared):
    """Stored inputs and outputs of the original's helper functions."""
    with np.load(shared / "reference" / "helpers.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def stored_vis(shared, reference_backbone):
    """Inputs and outputs of the original's VIS forward pass, channels first and subsampled by `strides`."""
    with np.load(shared / "reference" / f"forward_{reference_backbone}_vis.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def reference_maps(stored_vis, reference_variables, reference_backbone):
    """(res2, ..., res5) of the backbone on the stored frames, each [1, 4, h, w, c]."""
    images = np.pad(stored_vis["images"], ((0, 0), (0, 32), (0, 32), (0, 0)), constant_values=128)
    weights = {name: tree["backbone"] for name, tree in reference_variables.items() if "backbone" in tree}
    module = backbones.make_backbone(reference_backbone)
    with jax.default_matmul_precision("highest"):
        maps = jax.jit(module.apply)(weights, backbones.normalize_images(images, reference_backbone))
    return tuple(x[None] for x in maps)


@pytest.fixture(scope="session")
def reference_features(reference_maps, reference_variables):
    """`NeckOutput` of the temporal neck on the maps above, features [1, 4, h, w, 256]."""
    with jax.default_matmul_precision("highest"):
        return jax.jit(TemporalNeck(ModelConfig()).apply)({"params": reference_variables["params"]["neck"]}, *reference_maps)
