"""Settings of a run: small frozen dataclasses, checked when they are made.

`ml_collections` stops at `main.py`; everything behind it reads these classes. Every mistake is a `ConfigError` whose one line
names the key, what was found and what is allowed.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from tarvis_jax.errors import UserError, closest

FORMAT_VERSION = 1  # of config.json and of the checkpoints

TASKS = ("vis", "vps", "vos")  # compiled steps; PET objects are the point objects of a vos step


class ConfigError(UserError):
    """A mistake in a setting."""


def require(condition: bool, message: str) -> None:
    """Raises `ConfigError(message)` unless the condition holds."""
    if not condition:
        raise ConfigError(message)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Sizes of the network. The defaults are the released configuration.

    `vocabulary` lists the datasets whose classes have queries, sorted by name, with their numbers of classes: the rows of the
    semantic query table after its first one (facts of the original, section 4).
    """

    backbone: str = "resnet50"
    width: int = 256
    heads: int = 8
    neck_layers: int = 6
    neck_hidden: int = 1024
    decoder_layers: int = 9
    decoder_hidden: int = 2048
    object_encoder_layers: int = 4
    instance_queries: int = 128
    queries_per_object: int = 4
    queries_per_object_eval: int = 8
    points_per_query: int = 2048
    points_per_query_eval: int = 16384
    background_grid: int = 4
    vocabulary: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int):
                require(value >= 1, f"config.model.{field.name}={value}: expected a positive number")
        require(self.width % (4 * self.heads) == 0, f"config.model.width={self.width}: must divide by 4 * heads ({self.heads})")
        require(self.width % 32 == 0, f"config.model.width={self.width}: must divide by the 32 groups of the group norms")
        names = [name for name, _ in self.vocabulary]
        require(names == sorted(set(names)), f"vocabulary {names}: names must be sorted and unique")

    def num_classes(self, dataset: str) -> int:
        """Number of classes k of a dataset of the vocabulary."""
        known = dict(self.vocabulary)
        require(dataset in known, f"dataset {dataset!r} has no class queries in this model; {closest(dataset, known)}")
        return known[dataset]

    def first_class_row(self, dataset: str) -> int:
        """Row of the dataset's first class in the semantic query table; row 0 is the embed that all classes share."""
        self.num_classes(dataset)
        return 1 + sum(count for name, count in self.vocabulary if name < dataset)


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights and numbers of sampled points of the losses (facts of the original, section 8)."""

    points: int = 12544
    semantic_points: int = 25088  # per frame, panoptic samples
    oversample: int = 3
    uncertain_fraction: float = 0.75
    mask_bce: float = 5.0
    mask_dice: float = 5.0
    classification: float = 2.0
    background_class: float = 0.1  # weight of class 0 within the classification loss
    semantic: float = 2.0
    ignore_null_classes: bool = False  # Swin-L, pretraining: classes that no point has or expects take no part
    semantic_norm: float = 0.0  # Swin-L, fine-tuning: weight of the norm of the class logits
    match_class: float = 2.0
    match_bce: float = 5.0
    match_dice: float = 5.0

    def __post_init__(self) -> None:
        require(self.points >= 4, f"config.loss.points={self.points}: expected at least 4")
        require(self.semantic_points >= 4, f"config.loss.semantic_points={self.semantic_points}: expected at least 4")
        require(self.oversample >= 1, f"config.loss.oversample={self.oversample}: expected at least 1")
        require(0 <= self.uncertain_fraction <= 1, f"config.loss.uncertain_fraction={self.uncertain_fraction}: expected 0..1")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What the pipeline draws: datasets, tasks, clips. Everything here and the seed decide the stream of batches."""

    data_root: str
    dataset_weights: Mapping[str, float]  # the datasets in use only
    task_weights: Mapping[str, float]  # vps, vis, vos, pet
    seed: int = 42
    batch_size: int = 32
    clip_length: int = 3
    image_size: int = 512
    group_steps: int = 8
    instance_slots: int = 32
    object_slots: int = 8
    augment: bool = True
    workers: int = 2

    def __post_init__(self) -> None:
        for name in ("batch_size", "clip_length", "image_size", "group_steps", "instance_slots", "object_slots"):
            require(getattr(self, name) >= 1, f"config.{name}={getattr(self, name)}: expected a positive number")
        require(self.seed >= 0, f"config.seed={self.seed}: expected 0 or more")
        require(self.image_size % 64 == 0, f"config.image_size={self.image_size}: must be a multiple of 64")
        for name in ("instance_slots", "object_slots"):
            require(getattr(self, name) <= 255, f"config.{name}={getattr(self, name)}: at most 255 fit a map")
        require(self.workers >= 0, f"config.workers={self.workers}: expected 0 or more")
        self._check_weights("dataset_weights", self.dataset_weights)
        self._check_weights("task_weights", self.task_weights)
        unknown = set(self.task_weights) - {"vps", "vis", "vos", "pet"}
        require(not unknown, f"config.task_weights.{min(unknown, default='')}: known: vps, vis, vos, pet")

    @staticmethod
    def _check_weights(key: str, weights: Mapping[str, float]) -> None:
        for name, weight in weights.items():
            require(weight >= 0, f"config.{key}.{name}={weight}: expected 0 or more")
        require(sum(weights.values()) > 0, f"config.{key}: at least one weight must be above 0, found {dict(weights)}")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with step decays (supplement, section 3; facts of the original, section 9)."""

    learning_rate: float = 1e-4
    decay_steps: tuple[int, ...] = (444_500, 481_500)
    decay_factor: float = 0.1
    warmup_steps: int = 0
    backbone_factor: float = 0.1
    weight_decay: float = 0.05
    clip_norm: float = 0.01

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, f"config.learning_rate={self.learning_rate}: expected a positive number")
        require(self.warmup_steps >= 0, f"config.warmup_steps={self.warmup_steps}: expected 0 or more")
        steps = self.decay_steps
        require(
            list(steps) == sorted(set(steps)) and all(s > 0 for s in steps),
            f"config.decay_steps={steps}: expected rising steps",
        )


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """Evaluation during training, on drawn videos.

    `every` so many steps, before the first step and after the last; 0 for never. `videos` of each kind are drawn, `image_size`
    pixels high and half as much again wide. Clips are those of the original on DAVIS and YouTube-VIS.
    """

    every: int = 0
    videos: int = 8
    image_size: int = 128
    clip_length: int = 12
    clip_overlap: int = 6

    def __post_init__(self) -> None:
        require(self.every >= 0, f"config.eval.every={self.every}: expected a number of steps, or 0 for never")
        require(self.videos >= 1, f"config.eval.videos={self.videos}: expected a positive number")
        require(
            self.image_size >= 32, f"config.eval.image_size={self.image_size}: expected 32 or more, things need some pixels"
        )
        require(self.clip_length >= 2, f"config.eval.clip_length={self.clip_length}: expected 2 or more frames")
        require(
            1 <= self.clip_overlap <= self.clip_length // 2,
            f"config.eval.clip_overlap={self.clip_overlap}: expected 1 to half of config.eval.clip_length={self.clip_length}",
        )


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A whole training run."""

    model: ModelConfig
    data: DataConfig
    optimizer: OptimizerConfig
    loss: LossConfig = LossConfig()
    eval: EvalConfig = EvalConfig()
    total_steps: int = 500_000
    accumulate: int = 1
    checkpoint_every: int = 20_000
    keep_checkpoints: int = 2
    log_every: int = 50
    precision: str = "auto"
    mesh_data: int = -1
    mesh_fsdp: int = 1
    init_from: str = ""
    backbone_from: str = ""
    branch_start: float = 1.0  # factor on the random start of residual branches, see `training/start.py`

    def __post_init__(self) -> None:
        for name in ("total_steps", "accumulate", "checkpoint_every", "keep_checkpoints", "log_every", "mesh_fsdp"):
            require(getattr(self, name) >= 1, f"config.{name}={getattr(self, name)}: expected a positive number")
        require(self.branch_start >= 0, f"config.branch_start={self.branch_start}: expected 0 or more")
        require(
            self.mesh_data >= 1 or self.mesh_data == -1,
            f"config.mesh.data={self.mesh_data}: expected a number or -1 for the rest",
        )
        require(
            self.precision in ("auto", "float32", "bfloat16"), f"config.precision={self.precision}: auto, float32 or bfloat16"
        )
        slots, queries = self.data.instance_slots, self.model.instance_queries
        require(
            slots <= queries,
            f"config.instance_slots={slots}: every instance needs a query, config.model.instance_queries={queries}; lower it",
        )
        require(
            self.data.batch_size % self.accumulate == 0,
            f"config.batch_size={self.data.batch_size}: must divide by config.accumulate={self.accumulate}",
        )


def as_dict(config: Any) -> dict[str, Any]:
    """A config dataclass as nested dicts and lists, exactly as it comes back from JSON."""
    return json.loads(json.dumps(dataclasses.asdict(config)))
