"""TarViS: backbone, temporal neck, queries, decoder."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from tarvis_jax.config import TASKS, ModelConfig
from tarvis_jax.models.backbones import make_backbone, normalize_images
from tarvis_jax.models.decoder import Decoder, Predictions
from tarvis_jax.models.object_encoder import ObjectEncoder
from tarvis_jax.models.object_points import ObjectPrompts, no_prompts
from tarvis_jax.models.queries import ClassRange, QueryGroups, QueryTables
from tarvis_jax.models.temporal_neck import NeckOutput, TemporalNeck

SIDE = 64  # pixels: images are padded to multiples of it
ABSENT = -1000.0  # logit of an object that is not there


class TarViS(nn.Module):
    """Segments the targets of a clip, whatever they are: targets become queries, queries become masks.

    `model.init(key, method="initialise")` makes the variables for all tasks at once.
    """

    config: ModelConfig
    dtype: jnp.dtype = jnp.float32

    def setup(self) -> None:
        self.backbone = make_backbone(self.config.backbone, self.dtype)
        self.neck = TemporalNeck(self.config, self.dtype)
        self.queries = QueryTables(self.config)
        self.object_encoder = ObjectEncoder(self.config, self.dtype)
        self.decoder = Decoder(self.config, self.dtype)

    def __call__(
        self,
        images: jax.Array,
        *,
        task: str,
        classes: ClassRange | None = None,
        prompts: ObjectPrompts | None = None,
        train: bool,
        point_key: jax.Array | None = None,
        lengths: jax.Array | None = None,
    ) -> Predictions:
        """Predicts masks, and for `vis` and `vps` classes.

        Args:
            images: RGB, uint8 [b, t, h, w, 3], padded to multiples of 64.
            task: "vis", "vps" or "vos"; objects given by a point are those of "vos".
            classes: of the samples' dataset, for "vis" and "vps".
            prompts: the objects, for "vos".
            train: whether the pass is one of training: objects have as many queries as there, and a Swin drops paths at
                random, for which it needs a random key "drop_path".
            point_key: random key for "vos", needed where a mask may have more pixels than its queries take.
            lengths: int32 [b], the true number of frames of each clip, behind which anything may stand; None if all are whole.

        Raises:
            ValueError: images of another shape, or an input that the task needs is missing.
        """
        _check_inputs(images, task, classes, prompts)
        features = self.extract_features(images, train=train, lengths=lengths)
        if task == "vos":
            queries = self.make_object_queries(features, prompts, train=train, point_key=point_key)
        else:
            queries = self.queries.for_classes(classes, len(images))
        return self.decoder(features, queries, lengths)

    def extract_features(self, images: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> NeckOutput:
        """Features of a clip's images, uint8 [b, t, h, w, 3]; the other arguments as above."""
        b, t = images.shape[:2]
        frames = normalize_images(images.reshape(-1, *images.shape[2:]), self.config.backbone)
        maps = self.backbone(frames, train=train)
        return self.neck(*(x.reshape(b, t, *x.shape[1:]) for x in maps), lengths)

    def make_object_queries(
        self, features: NeckOutput, prompts: ObjectPrompts, *, train: bool, point_key: jax.Array | None
    ) -> QueryGroups:
        """Queries of the prompted objects and of the background."""
        return self.queries.for_objects(self.object_encoder(features, prompts, train=train, point_key=point_key))

    def initialise(self) -> Predictions:
        """Runs every part once on an empty clip, so that `init` makes all variables."""
        images, prompts = jnp.zeros((1, 1, SIDE, SIDE, 3), jnp.uint8), no_prompts(1, 1, 1, SIDE, SIDE)
        return self(images, task="vos", prompts=prompts, train=True, point_key=jax.random.key(0))


def _check_inputs(images: jax.Array, task: str, classes: ClassRange | None, prompts: ObjectPrompts | None) -> None:
    if images.ndim != 5 or images.shape[-1] != 3:
        raise ValueError(f"images {images.shape}: expected [b, t, h, w, 3]")
    if images.shape[2] % SIDE or images.shape[3] % SIDE:
        raise ValueError(f"images {images.shape}: height and width must be multiples of {SIDE}; pad them right and below")
    if task not in TASKS:
        raise ValueError(f"task {task!r}: expected one of {', '.join(TASKS)}")
    if (prompts if task == "vos" else classes) is None:
        raise ValueError(f"task {task!r}: {'prompts' if task == 'vos' else 'classes'} missing")


def object_logits(predictions: Predictions, stage: int) -> jax.Array:
    """Mask logits of objects: the largest of their queries, float32 [b, n, t, h / 4, w / 4]; `ABSENT` in empty slots."""
    logits = predictions.mask_logits("vos", stage)
    valid = predictions.valid("vos").reshape(*logits.shape[:2], 1, 1, 1)
    logits = jnp.where(valid, logits, jnp.float32(ABSENT))
    return logits.reshape(len(logits), -1, predictions.per_object, *logits.shape[2:]).max(axis=2)


def background_logits(predictions: Predictions, stage: int) -> jax.Array:
    """Mask logits of the background around objects: the largest of its queries, float32 [b, t, h / 4, w / 4]."""
    return predictions.mask_logits("background_vos", stage).max(axis=1)
