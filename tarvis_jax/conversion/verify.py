"""Runs a converted checkpoint once, to see that it computes."""

from functools import partial
from pathlib import Path

import jax
import numpy as np

from tarvis_jax.checkpoints import empty_variables, read_weights
from tarvis_jax.config import ModelConfig
from tarvis_jax.errors import UserError
from tarvis_jax.models.queries import ClassRange
from tarvis_jax.models.tarvis import TarViS

_CLIP = (1, 2, 64, 128, 3)  # b, t, h, w, RGB


def verify(checkpoint: Path, config: ModelConfig) -> list[str]:
    """Runs a clip of random pixels through video instance segmentation with the classes of the first dataset.

    Returns:
        A line for the clip and a line with shape and range for each output.

    Raises:
        UserError: an output is not finite.
    """
    dataset = config.vocabulary[0][0]
    clip = np.random.default_rng(0).integers(0, 256, _CLIP, np.uint8)
    predict = partial(_predict, TarViS(config), ClassRange.of(config, dataset))
    outputs = jax.jit(predict)(read_weights(checkpoint, empty_variables(config)), clip)
    lines = [f"instances and classes of {dataset} in a clip of random pixels, {list(_CLIP)}"]
    for name, array in outputs.items():
        array = np.asarray(array)
        if not np.isfinite(array).all():
            raise UserError(f"{checkpoint}: {name} of a clip of random pixels are not finite; these weights do not work")
        lines.append(f"{name}: shape {list(array.shape)}, {array.min():.3f} to {array.max():.3f}, mean {array.mean():.3f}")
    return lines


def _predict(model: TarViS, classes: ClassRange, variables: dict, clip: jax.Array) -> dict[str, jax.Array]:
    predictions = model.apply(variables, clip, task="vis", classes=classes, train=False)
    masks = {f"{group} mask logits": predictions.mask_logits(group, -1) for group in predictions.mask_embeddings}
    return {**masks, "class logits": predictions.class_logits[-1]}
