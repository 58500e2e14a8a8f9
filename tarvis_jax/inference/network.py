"""A checkpoint's network, compiled for clips of a video."""

import copy
import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tarvis_jax.checkpoints import empty_variables, find_step_folder, read_model_config, read_weights
from tarvis_jax.config import ModelConfig
from tarvis_jax.devices import compute_dtype, use_compilation_cache
from tarvis_jax.models.object_points import ObjectPrompts
from tarvis_jax.models.queries import ClassRange
from tarvis_jax.models.tarvis import TarViS, object_logits


@dataclasses.dataclass(frozen=True)
class ClassPrediction:
    """What the network says of a clip with the classes of a dataset; logits of masks are at a quarter of the padded size.

    Attributes:
        mask_logits: of the instances, float32 on the device [q, t, h / 4, w / 4].
        class_logits: of the instances, float32 [q, 1 + k], the background first.
        semantic_logits: float32 on the device [k, t, h / 4, w / 4], and for "vis" one more, the background, in front.
    """

    mask_logits: jax.Array
    class_logits: np.ndarray
    semantic_logits: jax.Array


@dataclasses.dataclass(frozen=True)
class ObjectPrediction:
    """What the network says of prompted objects: float32 on the device.

    Attributes:
        mask_logits: [n, t, h / 4, w / 4].
        background_logits: of the g queries of the background, [g, t, h / 4, w / 4].
    """

    mask_logits: jax.Array
    background_logits: jax.Array


class Network:
    """Forward passes of clips, one compiled program for each size, number of frame slots and number of object slots."""

    def __init__(self, config: ModelConfig, variables: Any, precision: str = "auto"):
        use_compilation_cache()
        self.config = config
        self._variables = jax.device_put(variables)
        model = TarViS(config, compute_dtype(precision))
        self._segment_classes = jax.jit(partial(_segment_classes, model), static_argnames="task")
        self._segment_objects = jax.jit(partial(_segment_objects, model))

    @classmethod
    def from_checkpoint(cls, path: Path | str, precision: str = "auto") -> "Network":
        """The network of a CHECKPOINT: a workdir, a step's folder, or a converted checkpoint.

        Args:
            path: the CHECKPOINT.
            precision: "float32", "bfloat16", or "auto": float32 on CPUs, bfloat16 elsewhere.

        Raises:
            ConfigError: there is none, or it cannot be read.
        """
        folder = find_step_folder(Path(path))
        config = read_model_config(folder)
        return cls(config, read_weights(folder, empty_variables(config)), precision)

    def with_variables(self, variables: Any) -> "Network":
        """A network of the same config with other weights, which shares the compiled programs."""
        other = copy.copy(self)
        other._variables = jax.device_put(variables)
        return other

    def segment_classes(self, images: np.ndarray, length: int, task: str, dataset: str) -> ClassPrediction:
        """Segments the instances and classes of a dataset.

        Args:
            images: RGB uint8 [t, h, w, 3], padded to multiples of 64.
            length: true number of frames; those from there on may hold anything, and get anything.
            task: "vis" or "vps".
            dataset: whose classes.
        """
        classes = ClassRange.of(self.config, dataset)
        masks, class_logits, semantics = self._segment_classes(
            self._variables, images[None], np.array([length], np.int32), classes, task=task
        )
        return ClassPrediction(masks, np.asarray(class_logits), semantics)

    def segment_objects(self, images: np.ndarray, length: int, prompts: ObjectPrompts, seed: int) -> ObjectPrediction:
        """Segments objects given by prompts [1, n, ...]; images and length as above.

        `seed` decides which pixels a query takes where there are more than it can.
        """
        return ObjectPrediction(
            *self._segment_objects(self._variables, images[None], np.array([length], np.int32), prompts, jax.random.key(seed))
        )


def _segment_classes(
    model: TarViS, variables: Any, images: jax.Array, lengths: jax.Array, classes: ClassRange, task: str
) -> tuple[jax.Array, jax.Array, jax.Array]:
    predictions = model.apply(variables, images, task=task, classes=classes, train=False, lengths=lengths)
    semantics = predictions.mask_logits("semantic", -1)[0]
    if task == "vis":
        background = predictions.mask_logits("background", -1)[0].max(axis=0, keepdims=True)
        semantics = jnp.concatenate([background, semantics])
    return predictions.mask_logits("instance", -1)[0], predictions.class_logits[-1, 0], semantics


def _segment_objects(
    model: TarViS, variables: Any, images: jax.Array, lengths: jax.Array, prompts: ObjectPrompts, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    predictions = model.apply(variables, images, task="vos", prompts=prompts, train=False, point_key=key, lengths=lengths)
    return object_logits(predictions, -1)[0], predictions.mask_logits("background_vos", -1)[0]
