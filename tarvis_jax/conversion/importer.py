"""From a checkpoint of the original to one of this project."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from data import categories
from tarvis_jax.config import ModelConfig
from tarvis_jax.conversion.files import read_torch
from tarvis_jax.conversion.names import variables_from_torch
from tarvis_jax.conversion.recognise import STAGES, recognise_model
from tarvis_jax.conversion.state_dict import checked_weights, find_state_dict
from tarvis_jax.conversion.template import state_template


def import_checkpoint(source: Path, datasets: Sequence[str] = ()) -> tuple[ModelConfig, dict[str, Any]]:
    """Reads a PyTorch checkpoint of the original.

    Args:
        source: {"model": state dict} as `torch.save` writes it; other keys are ignored.
        datasets: whose classes the model has queries for; empty if they are those of pretraining or fine-tuning.

    Returns:
        The model and its weights {"params": nested dict, "buffers": nested dict}, float32 views of the file where possible.

    Raises:
        UserError: the file cannot be read, or is not exactly the state dict of a model of this version.
    """
    state = find_state_dict(read_torch(source), source)
    config = recognise_model(state, datasets, source)
    weights = checked_weights(state, state_template(config), source, f"the model with backbone {config.backbone}")
    return config, variables_from_torch(weights)


def describe(config: ModelConfig, weights: dict[str, Any]) -> str:
    """One line on a model that was recognised: backbone, training stage, classes, number of parameters."""
    stage = next((stage for stage in STAGES if categories.vocabulary(stage) == config.vocabulary), "other datasets")
    classes = ", ".join(f"{name} {count}" for name, count in config.vocabulary)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(weights["params"]))
    return f"{config.backbone}, {stage} (classes: {classes}), {parameters / 1e6:.2f} M parameters"
