"""The original's stored forward passes (`forward_BACKBONE_NAME.npz` of the reference data), run here and compared.

for backbone, name in CASES:
    agreements = StoredCase(shared, backbone, name).compare(reference_variables(shared, backbone))
"""

import importlib.util
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tarvis_jax.config import ModelConfig
from tarvis_jax.conversion import names
from tarvis_jax.models.object_points import ObjectPrompts, no_prompts, points_in_padded_image
from tarvis_jax.models.queries import ClassRange
from tarvis_jax.models.tarvis import ABSENT, Predictions, TarViS, object_logits
from tests.parity import Agreement, compare

VOCABULARY = (("cityscapes_vps", 19), ("kitti_step", 19), ("ovis", 25), ("vipseg", 124), ("youtube_vis", 40))
CASES = (
    *(("resnet50", name) for name in ("vis", "vps", "vps_cityscapes", "vos", "pet")),
    *(("swin_tiny", name) for name in ("vis", "vps", "vos", "pet")),
)
PADDED = (128, 192)
FRAMES, OBJECTS = 3, 3  # slots of the prompts
LAST = -1  # decoder stage

_CAPTURED = (  # modules and their methods whose results are compared
    ("backbone", "__call__"),
    ("neck", "__call__"),
    ("queries", "for_classes"),
    ("queries", "for_objects"),
    ("object_encoder", "__call__"),
)


def weights_rule(shared: Path) -> Callable[[str, tuple[int, ...]], np.ndarray | None]:
    """The rule (name, shape) -> array behind the stored numbers; None where the original's constructor decides."""
    spec = importlib.util.spec_from_file_location("weights_rule", shared / "reference" / "weights_rule.py")
    rule = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rule)
    return rule.make_weight


def reference_state(shared: Path, backbone: str) -> dict[str, np.ndarray]:
    """The state dict of a fine-tuning model: arrays by the original's names, constants left out."""
    manifest = json.loads((shared / "reference" / f"manifest_{backbone}_finetune.json").read_text())
    make_weight = weights_rule(shared)
    made = {entry["name"]: make_weight(entry["name"], entry["shape"]) for entry in manifest}
    return {name: array for name, array in made.items() if array is not None}


def reference_variables(shared: Path, backbone: str) -> dict[str, Any]:
    """The same weights as flax variables, {"params": ..., "buffers": ...}."""
    return names.variables_from_torch(reference_state(shared, backbone))


def original_model(backbone: str) -> TarViS:
    """The network of the stored passes."""
    return TarViS(ModelConfig(backbone=backbone, vocabulary=VOCABULARY))


class Outcome(NamedTuple):
    """Results of one clip."""

    predictions: Predictions
    captured: dict[tuple[str, str], Any]  # what modules returned, by `_CAPTURED`
    queries: np.ndarray  # running queries of all stages [l, q, c]

    @property
    def valid(self) -> np.ndarray:
        """The queries in use, bool [q]."""
        return np.asarray(self.predictions.query_valid[0])


class StoredCase:
    """One stored file: a clip of VIS or VPS, or two of VOS or PET ("a_", "b_"), of which the second goes on from the first.

    All clips of a case run in one compiled program.
    """

    def __init__(self, shared: Path, backbone: str, name: str) -> None:
        with np.load(shared / "reference" / f"forward_{backbone}_{name}.npz") as file:
            self.stored = dict(file)
        self.strides = json.loads(str(self.stored["strides"]))
        self.task = {"pet": "vos"}.get(name, name.split("_")[0])
        model = original_model(backbone)
        self.clips = _object_clips(self.stored) if self.task == "vos" else _class_clip(self.stored, model.config)
        forward = partial(model.apply, task=self.task, train=False, mutable="intermediates", capture_intermediates=_is_captured)
        self._forward = jax.jit(forward)

    def compare(self, variables: dict[str, Any]) -> list[Agreement]:
        """How far the network of these variables is from every stored result, under the stored names."""
        with jax.default_matmul_precision("highest"):
            return [agreement for prefix in self.clips for agreement in self._compare_clip(variables, prefix)]

    def _compare_clip(self, variables: dict[str, Any], prefix: str) -> Iterator[Agreement]:
        outcome = self._run(variables, prefix)
        if "backbone_res2" in self.stored:
            yield from self._compare_features(outcome)
        yield from self._compare_queries(outcome, prefix)
        yield from self._compare_masks(outcome, prefix)
        yield from self._compare_objects(outcome, prefix) if self.task == "vos" else self._compare_classes(outcome)

    def _run(self, variables: dict[str, Any], prefix: str) -> Outcome:
        images = _pad(self.stored[f"{prefix}images"])[None]
        predictions, sown = self._forward(variables, images, **self.clips[prefix])
        sown = sown["intermediates"]
        captured = {key: sown[key[0]][key[1]][0] for key in _CAPTURED if key[1] in sown.get(key[0], {})}
        return Outcome(predictions, captured, np.concatenate(sown["decoder"]["queries"]))

    def _compare_features(self, outcome: Outcome) -> Iterator[Agreement]:
        maps, neck = outcome.captured["backbone", "__call__"], outcome.captured["neck", "__call__"]
        results = {f"backbone_res{i}": x[..., :: self.strides["bbs"]] for i, x in enumerate(maps, 2)}
        for stride in (32, 16, 8, 4):
            results[f"neck_{stride}x"] = getattr(neck, f"stride{stride}")[0, ..., :: self.strides["ns"]]
        for key, x in results.items():
            yield compare(np.moveaxis(x, -1, 1), self.stored[key], key)

    def _compare_queries(self, outcome: Outcome, prefix: str) -> Iterator[Agreement]:
        groups = outcome.captured["queries", "for_objects" if self.task == "vos" else "for_classes"]
        results = {"query_inits": groups.initial[0][outcome.valid], "query_embeds": groups.embeds[0][outcome.valid]}
        results |= {f"queries_l{stage}": outcome.queries[stage][outcome.valid] for stage in (0, 1, 9)}
        if self.task == "vos":
            encoded = outcome.captured["object_encoder", "__call__"]
            results["enc_object_queries"] = encoded.objects[0][np.asarray(encoded.valid[0])]
            results["enc_bg_queries"] = encoded.background[0]
        for key, x in results.items():
            yield compare(x, self.stored[prefix + key], prefix + key)

    def _compare_masks(self, outcome: Outcome, prefix: str) -> Iterator[Agreement]:
        groups = [str(group) for group in self.stored[f"{prefix}query_group_names"]]
        keys = {f"{prefix}mask_logits_l{stage}": stage for stage in (0, 1, 5, 9)}
        for key, stage in keys.items():
            if key in self.stored:
                logits = np.concatenate([outcome.predictions.mask_logits(group, stage)[0] for group in groups])
                yield compare(logits[outcome.valid][:: self.strides["qs"]], self.stored[key], key, signs=True)

    def _compare_classes(self, outcome: Outcome) -> Iterator[Agreement]:
        class_logits = outcome.predictions.class_logits[:, 0]
        yield compare(class_logits, self.stored["class_logits"], "class_logits")
        yield compare(class_logits[LAST], self.stored["out_instance_class_logits"], "out_instance_class_logits")
        instances, semantic, background = (
            np.asarray(outcome.predictions.mask_logits(group, LAST)[0]) for group in ("instance", "semantic", "background")
        )
        if self.task == "vis":
            semantic = np.concatenate([background.max(axis=0, keepdims=True), semantic])
        for key, x in (("out_instance_seg_logits", instances), ("out_semantic_seg_logits", semantic)):
            yield compare(x[:: self.strides["out_query_stride"]], self.stored[key], key, signs=True)

    def _compare_objects(self, outcome: Outcome, prefix: str) -> Iterator[Agreement]:
        key = f"{prefix}out_vos_logits"
        expected = self.stored[key]
        actual = np.asarray(object_logits(outcome.predictions, LAST))[0, : len(expected)]
        appeared = expected > ABSENT  # the original blanks an object in the frames before its first
        assert appeared.any(axis=(1, 2, 3)).all(), f"{key}: an object never appears"
        yield compare(actual[appeared], expected[appeared], key, signs=True)
        key, step = f"{prefix}out_background_logits", self.strides["out_background_stride"]
        background = outcome.predictions.mask_logits("background_vos", LAST)[0]
        yield compare(background[::step], self.stored[key], key, signs=True)


def _is_captured(module: nn.Module, method: str) -> bool:
    return (module.name, method) in _CAPTURED


def _class_clip(stored: dict[str, np.ndarray], config: ModelConfig) -> dict[str, Any]:
    """Inputs by clip: the classes of the stored dataset."""
    return {"": {"classes": ClassRange.of(config, str(stored["dataset"]).lower())}}


def _object_clips(stored: dict[str, np.ndarray]) -> dict[str, Any]:
    """Inputs by clip: first the given points or masks, then the stored masks of the first clip and what appears."""
    by_point = "a_ref_points_yx" in stored
    previous = _masks_of(stored["a_out_vos_logits"][:, 2:])  # in the two frames that both clips hold
    masks, frames = _no_masks(), [0, 1, -1]
    masks[: len(previous), :2] = previous
    if "b_ref_masks" in stored:
        masks[2, 2], frames = _pad(stored["b_ref_masks"].astype(bool))[0], [0, 1, 2]
    first = _point_prompts(stored) if by_point else _first_masks(stored)
    return {"a_": {"prompts": first}, "b_": {"prompts": _mask_prompts(masks, frames)}}


def _first_masks(stored: dict[str, np.ndarray]) -> ObjectPrompts:
    masks, given = _no_masks(), _pad(stored["a_ref_masks"].astype(bool))
    masks[: len(given), 0] = given
    return _mask_prompts(masks, [0, -1, -1])


def _point_prompts(stored: dict[str, np.ndarray]) -> ObjectPrompts:
    points = points_in_padded_image(stored["a_ref_points_yx"][:, ::-1], stored["a_images"].shape[1:3], PADDED)
    return no_prompts(1, OBJECTS, FRAMES, *PADDED).replace(
        frames=jnp.array([[0, 1, -1]]),
        valid=jnp.ones((1, OBJECTS), bool),
        is_point=jnp.ones((1, OBJECTS), bool),
        points=jnp.asarray(points)[None],
        point_frames=jnp.asarray(stored["a_ref_frame_indices"], jnp.int32)[None],
    )


def _mask_prompts(masks: np.ndarray, frames: list[int]) -> ObjectPrompts:
    """Prompts of one clip: masks [n, r, h, w] in frames of the given indices; an object without any pixel is an empty slot."""
    return no_prompts(1, *masks.shape).replace(
        masks=jnp.asarray(masks)[None], frames=jnp.array([frames]), valid=jnp.asarray(masks.any(axis=(1, 2, 3)))[None]
    )


def _no_masks() -> np.ndarray:
    return np.zeros((OBJECTS, FRAMES, *PADDED), bool)


def _masks_of(logits: np.ndarray) -> np.ndarray:
    """Masks of padded images from logits at a quarter of their size, [n, t, h, w] both."""
    return np.asarray(jax.image.resize(logits, (*logits.shape[:2], *PADDED), "bilinear")) > 0


def _pad(x: np.ndarray) -> np.ndarray:
    """Frames or masks [..., h, w] or [..., h, w, 3] with the padding of the stored passes."""
    images = x.dtype == np.uint8
    at = x.ndim - (3 if images else 2)
    width = [(0, 0)] * x.ndim
    width[at : at + 2] = [(0, have - size) for have, size in zip(PADDED, x.shape[at : at + 2], strict=True)]
    return np.pad(x, width, constant_values=128 if images else False)
