"""Small panoptic videos, in memory and as files of Cityscapes-VPS or VIPSeg."""

import dataclasses
import json

import numpy as np
from PIL import Image

from tests.evaluation.scenes import disturbed, label_maps

CATEGORIES = [
    {"id": 0, "name": "road", "isthing": 0},
    {"id": 1, "name": "sky", "isthing": 0},
    {"id": 11, "name": "person", "isthing": 1},
    {"id": 13, "name": "car", "isthing": 1},
]
ISTHING = {row["id"]: bool(row["isthing"]) for row in CATEGORIES}
CATEGORY_OF_ID = {5: 0, 6: 1, 300: 11, 70000: 11, 80000: 13, 90000: 13}
CROWD = 90000


@dataclasses.dataclass
class Video:
    """Ids [t, h, w], 0 void, and for each frame the entries "segments_info"."""

    ids: np.ndarray
    segments: list[list[dict]]


def with_segments(ids: np.ndarray) -> Video:
    segments = []
    for frame in ids:
        found, areas = np.unique(frame[frame > 0], return_counts=True)
        segments.append(
            [
                {"id": i, "category_id": CATEGORY_OF_ID[i], "area": area, "iscrowd": int(i == CROWD), "bbox": [0, 0, 1, 1]}
                for i, area in zip(found.tolist(), areas.tolist(), strict=True)
            ]
        )
    return Video(ids, segments)


def draw_pair(rng: np.random.Generator, frames: int, share: float) -> tuple[Video, Video]:
    """A true and a predicted video that differ in a share of the pixels."""
    true = label_maps(rng, frames, np.array([0, *CATEGORY_OF_ID]))
    predicted = disturbed(rng, true, np.array([0, *list(CATEGORY_OF_ID)[:-1]]), share)
    return with_segments(true), with_segments(predicted)


def as_brute(true: Video, predicted: Video):
    """The pair as `brute_vpq` takes it."""
    gt = [{s["id"]: (s["category_id"], s["iscrowd"] == 1) for s in frame} for frame in true.segments]
    pred = [{s["id"]: s["category_id"] for s in frame} for frame in predicted.segments]
    return true.ids, predicted.ids, gt, pred


def save_rgb(path, ids: np.ndarray) -> None:
    """An RGB PNG of ids R + 256 G + 65536 B."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)).save(path)


def edit(path, change) -> None:
    """Applies a function to the content of a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
