"""Results that are the ground truth itself, in the formats that the official tools take, made from the drawn files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask


def _read(path: Path) -> Any:
    return json.loads(path.read_text())


def _davis(root: Path, output: Path) -> tuple[Path, Path]:
    return root, root / "Annotations" / "480p"


def _burst(root: Path, output: Path) -> tuple[Path, Path]:
    return root / "annotations" / "val", root / "annotations" / "val" / "all_classes.json"


def _tracks(root: Path, output: Path) -> tuple[Path, Path]:
    truth = root / "ground_truth_valid.json"
    results = []
    for entry in _read(truth)["annotations"]:
        masks = [mask and coco_mask.frPyObjects(mask, *mask["size"]) for mask in entry["segmentations"]]
        masks = [mask and {"size": mask["size"], "counts": mask["counts"].decode()} for mask in masks]
        keys = ("video_id", "category_id")
        results.append({key: entry[key] for key in keys} | {"score": 1.0, "segmentations": masks})
    output.write_text(json.dumps(results))
    return truth, output


def _kitti_step(root: Path, output: Path) -> tuple[Path, Path]:
    return root / "panoptic_maps" / "val", root / "panoptic_maps" / "val"


def _cityscapes_vps(root: Path, output: Path) -> tuple[Path, Path]:
    truth = _read(root / "val" / "panpotic_gt_val_city_vps.json")
    (output / "pan_pred").mkdir(parents=True)
    for entry in truth["annotations"]:
        shutil.copy(root / "val" / "panoptic_video" / entry["file_name"], output / "pan_pred" / f"{entry['image_id']}.png")
    (output / "pred.json").write_text(json.dumps({"annotations": truth["annotations"]}))
    return root / "val", output


def _vipseg(root: Path, output: Path) -> tuple[Path, Path]:
    shutil.copytree(root / "panomasksRGB", output / "pan_pred")
    truth = _read(root / "panoptic_gt_VIPSeg_val.json")
    (output / "pred.json").write_text(json.dumps({"annotations": truth["annotations"]}))
    return root, output


# dataset -> writes a result and returns --gt and --pred
RESULTS: dict[str, Callable[[Path, Path], tuple[Path, Path]]] = {
    "davis": _davis,
    "burst": _burst,
    "youtube_vis": _tracks,
    "ovis": _tracks,
    "kitti_step": _kitti_step,
    "cityscapes_vps": _cityscapes_vps,
    "vipseg": _vipseg,
}
