"""The original's stored training steps (`train_step_resnet50` of the reference data), run here and compared.

for name in CASES:
    figures = StoredStep(shared, name).figures(reference_variables(shared, "resnet50"))
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from data.clips import mask_point
from tarvis_jax.config import LossConfig
from tarvis_jax.conversion.names import torch_from_variables
from tarvis_jax.losses.tasks import vis_losses, vos_losses, vps_losses
from tarvis_jax.models.queries import ClassRange
from tarvis_jax.training.batch import object_prompts
from tests.losses.stored import StoredCase, StoredDraws
from tests.models.stored_forward import original_model
from tests.parity import GRADIENT, GRADIENT_FLOOR, STEP_LOSS

STAGES = 10
CASES = ("vos", "instance_seg", "panoptic_seg")
# It adds the same to the logits of all classes, which a softmax does not see: its exact gradient is 0, and what either code
# finds is the rounding of sums that cancel. Two roundings need not agree, but ours must not be the larger one by far.
CANCELS = {"panoptic_seg": "decoder.mask_embeds.semantic.layers.2.bias"}

_SAMPLES = {"vos": 1, "instance_seg": 2, "panoptic_seg": 1}
_LOSSES = {"vos": vos_losses, "instance_seg": vis_losses, "panoptic_seg": vps_losses}
_DATASET = {"instance_seg": "youtube_vis", "panoptic_seg": "vipseg"}
_SLOTS = 3
_CONFIG = LossConfig(points=256, semantic_points=512)
_PARTS = {  # weight and stored name of every part
    "vos": {"loss_mask_bce": (5, "vos/loss_ce"), "loss_mask_dice": (5, "vos/loss_dice")},
    "instance_seg": {
        "loss_mask_bce": (5, "instance_seg/loss_mask_ce"),
        "loss_mask_dice": (5, "instance_seg/loss_mask_dice"),
        "loss_class": (2, "instance_seg/loss_cls"),
        "loss_semantic": (2, "semantic_seg/loss_ce"),
    },
    "panoptic_seg": {
        "loss_mask_bce": (5, "panoptic_seg/loss_instance_mask_ce"),
        "loss_mask_dice": (5, "panoptic_seg/loss_instance_mask_dice"),
        "loss_class": (2, "panoptic_seg/loss_instance_cls"),
        "loss_semantic": (2, "panoptic_seg/loss_semantic_ce"),
    },
}


class Figures(NamedTuple):
    """How far a step is from the stored one.

    Attributes:
        losses: by name, relative difference of the total and of each part.
        norms: by parameter, (norm of its gradient, the stored norm).
        gradients: by parameter, norm of the difference of the full gradients, as a share of the stored norm.
        unused: the parameters without gradient here that the original lists as such, and those it lists.
    """

    losses: dict[str, float]
    norms: dict[str, tuple[float, float]]
    gradients: dict[str, float]
    unused: tuple[set[str], set[str]]


class StoredStep:
    """Forward pass, losses and gradients of one stored case, at the stored points."""

    def __init__(self, shared: Path, name: str) -> None:
        folder = shared / "reference"
        with np.load(folder / "train_step_resnet50.npz") as file:
            self.stored = StoredCase(dict(file), name, samples=_SAMPLES[name], stages=STAGES, slots=_SLOTS)
        self.facts = json.loads((folder / "train_step_resnet50.json").read_text())[name]
        self.name, self.model = name, original_model("resnet50")
        self._gradient = jax.jit(jax.value_and_grad(self._loss, has_aux=True))

    def figures(self, variables: dict[str, Any]) -> Figures:
        """Runs the step with the given weights."""
        with jax.default_matmul_precision("highest"):
            (total, parts), gradients = self._gradient(variables["params"], variables["buffers"], self._batch(), self._draws())
        ours = torch_from_variables({"params": jax.tree.map(np.asarray, gradients)})
        norms = dict(zip(self.stored["grad_names"].tolist(), self.stored["grad_l2"].tolist(), strict=True))
        prefix = f"{self.name}/grad/"
        full = {k.removeprefix(prefix): v for k, v in self.stored.arrays.items() if k.startswith(prefix)}
        unused = set(self.facts["unused_parameters"])
        return Figures(
            {"total": _relative(total, self.stored["out/total_loss"])} | {k: self._part(k, v) for k, v in parts.items()},
            {name: (float(np.linalg.norm(ours[name].astype(np.float64))), norm) for name, norm in norms.items()},
            {k: float(np.linalg.norm(ours[k] - v) / np.linalg.norm(v)) for k, v in full.items()},
            ({name for name in unused if not ours[name].any()}, unused),
        )

    def _part(self, part: str, value: jax.Array) -> float:
        weight, key = _PARTS[self.name][part]
        return _relative(value, weight * self.stored[f"out/{key}"].sum())

    def _loss(self, params: Any, buffers: Any, batch: dict[str, Any], draws: dict[str, Any]) -> Any:
        dataset = _DATASET.get(self.name)
        predictions = self.model.apply(
            {"params": params, "buffers": buffers},
            batch["images"],
            task={"vos": "vos", "instance_seg": "vis", "panoptic_seg": "vps"}[self.name],
            classes=dataset and ClassRange.of(self.model.config, dataset),
            prompts=None if dataset else object_prompts(batch),
            train=True,
        )
        parts = _LOSSES[self.name](predictions, batch, StoredDraws(draws), _CONFIG)
        return sum(parts.values()), parts

    def _batch(self) -> dict[str, np.ndarray]:
        stored = self.stored
        batch = stored.batch() | {"images": np.stack([stored[f"in/images_{b}"] for b in range(stored.samples)])}
        if self.name == "panoptic_seg":
            ignored = stored["in/ignore_masks_0"]
            batch["semantic_map"] = np.where(ignored, np.int16(-100), stored["in/semantic_masks_0"])[None]
        if self.name == "vos":
            batch |= self._prompts()
        return batch

    def _prompts(self) -> dict[str, np.ndarray]:
        """Frame 0 is the reference; as many objects as draws below 0.3, the last ones, are given by a point."""
        points = int((self.stored["in/point_vos_uniform_draws"] < 0.3).sum())
        is_point = np.arange(_SLOTS) >= _SLOTS - points
        positions = np.stack([mask_point(mask[0]) for mask in self.stored["in/gt_masks_0"]])
        return {"reference_frame": np.zeros(1, np.int32), "is_point": is_point[None], "points": positions[None]}

    def _draws(self) -> dict[str, np.ndarray]:
        if self.name == "vos":
            return self.stored.object_draws(_SLOTS)
        return self.stored.instance_draws() | self.stored.semantic_draws()


def misses(figures: Figures, case: str) -> list[str]:
    """What is not within the bars of `parity.py`, in words."""
    found = [f"{part}: {difference:.1e}" for part, difference in figures.losses.items() if not difference < STEP_LOSS]
    for parameter, (ours, stored) in figures.norms.items():
        within = abs(ours - stored) <= max(GRADIENT * stored, GRADIENT_FLOOR)
        if not (ours < 2 * stored if parameter == CANCELS.get(case) else within):
            found.append(f"gradient of {parameter}: norm {ours}, stored {stored}")
    found += [
        f"gradient of {parameter}: {share:.1e} apart" for parameter, share in figures.gradients.items() if share > GRADIENT
    ]
    without, listed = figures.unused
    return found + [f"gradient of {parameter}: the original has none" for parameter in listed - without]


def _relative(actual: Any, expected: Any) -> float:
    return abs(float(actual) - float(expected)) / abs(float(expected))
