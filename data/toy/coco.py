"""Writes drawn images as COCO 2017's panoptic splits: coco/{SPLIT/IMAGE.jpg,annotations/panoptic_SPLIT{.json,/IMAGE.png}}."""

from pathlib import Path
from typing import Any

import numpy as np

from data import categories
from data.toy.files import INFO, draw_ids, panoptic_categories, save_ids, save_image, save_json, segments_info
from data.toy.scene import draw_scene

_VAL_PART = 4  # one validation image for every four training images


def write(root: Path, seed: int, images: int, size: int) -> None:
    """Writes "train2017" with this many images and "val2017" with a quarter more; their sides are 3/4 to 5/4 of `size`."""
    for split, (name, count) in enumerate((("train2017", images), ("val2017", max(images // _VAL_PART, 1)))):
        _write_split(root, name, [[seed, split, index] for index in range(count)], size)


def _write_split(root: Path, split: str, seeds: list[list[int]], size: int) -> None:
    known = categories.load("coco")
    annotations = root / "annotations"
    content: dict[str, Any] = {"info": INFO, "images": [], "annotations": [], "categories": panoptic_categories(known)}
    for number, seed in enumerate(seeds, start=1):
        rng = np.random.default_rng(seed)
        height, width = (int(side) for side in rng.integers(size * 3 // 4, size * 5 // 4 + 1, 2))
        scene = draw_scene(rng, height, width)
        ids = draw_ids(rng, len(scene.names))
        stem = f"{number:012d}"
        save_image(root / split / f"{stem}.jpg", scene.image)
        save_ids(annotations / f"panoptic_{split}" / f"{stem}.png", ids[scene.segment_map])
        content["images"].append({"id": number, "file_name": f"{stem}.jpg", "height": height, "width": width})
        infos = segments_info(scene.segment_map, ids, scene.names, known)
        content["annotations"].append({"image_id": number, "file_name": f"{stem}.png", "segments_info": infos})
    save_json(annotations / f"panoptic_{split}.json", content)
