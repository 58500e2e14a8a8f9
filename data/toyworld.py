"""Draws small datasets in their official layouts, with exact ground truth, for demos and tests.

Example:
  python -m data.toyworld --output=/tmp/toy --images=400
writes /tmp/toy/coco, so that /tmp/toy is a data_root.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data import categories
from data.errors import DataError
from data.toyscene import Scene, draw_scene

IMAGES = 200  # of the training split
SIZE = 128  # pixels; sides of the images are 3/4 to 5/4 of it
_VAL_PART = 4  # one validation image for every four training images
_JPEG_QUALITY = 95


def draw_coco(output: Path, *, seed: int = 0, images: int = IMAGES, size: int = SIZE, overwrite: bool = False) -> Path:
    """Writes output/coco, the panoptic training and validation splits of COCO 2017, and returns that folder.

    The folder appears when it is complete. Image i depends on the seed, `size` and i alone. Raises `DataError` if it exists and
    is not to be overwritten.
    """
    target = output / "coco"
    if target.exists() and not overwrite:
        raise DataError(f"{target}: expected nothing there, found a result; choose another --output or pass --overwrite")
    output.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".coco-", dir=output))
    try:
        for split, (name, count) in enumerate((("train2017", images), ("val2017", max(images // _VAL_PART, 1)))):
            _draw_split(unfinished, name, [[seed, split, index] for index in range(count)], size)
        unfinished.chmod(0o755)  # mkdtemp's folders are private
        if target.exists():
            shutil.rmtree(target)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def _draw_split(root: Path, split: str, seeds: list[list[int]], size: int) -> None:
    annotations = root / "annotations"
    for folder in (root / split, annotations / f"panoptic_{split}"):
        folder.mkdir(parents=True)
    known = categories.load("coco")
    content: dict[str, Any] = {
        "info": {"description": "drawn by data.toyworld"},
        "images": [],
        "annotations": [],
        "categories": [
            {"id": category_id, "name": name, "supercategory": "", "isthing": int(isthing), "color": list(colour)}
            for category_id, name, isthing, colour in zip(known.ids, known.names, known.isthing, known.colours, strict=True)
        ],
    }
    for number, seed in enumerate(seeds, start=1):
        rng = np.random.default_rng(seed)
        height, width = (int(side) for side in rng.integers(size * 3 // 4, size * 5 // 4 + 1, 2))
        scene = draw_scene(rng, height, width)
        ids = _segment_ids(rng, len(scene.names))
        stem = f"{number:012d}"
        Image.fromarray(scene.image).save(root / split / f"{stem}.jpg", quality=_JPEG_QUALITY)
        Image.fromarray(_id_colours(ids[scene.segment_map])).save(annotations / f"panoptic_{split}" / f"{stem}.png")
        content["images"].append({"id": number, "file_name": f"{stem}.jpg", "height": height, "width": width})
        segments = _segments_info(scene, ids)
        content["annotations"].append({"image_id": number, "file_name": f"{stem}.png", "segments_info": segments})
    (annotations / f"panoptic_{split}.json").write_text(json.dumps(content), encoding="utf-8")


def _segment_ids(rng: np.random.Generator, count: int) -> np.ndarray:
    """Different ids, int32 [s], spread over all 24 bits as in the published files; never 0."""
    return np.sort(rng.choice((1 << 24) - 1, count, replace=False)).astype(np.int32) + 1


def _id_colours(ids: np.ndarray) -> np.ndarray:
    """int32 [h, w] -> uint8 [h, w, 3]: id = R + 256 G + 65536 B."""
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)


def _segments_info(scene: Scene, ids: np.ndarray) -> list[dict[str, Any]]:
    known = categories.load("coco")
    infos = []
    for index, name in enumerate(scene.names):
        mask = scene.segment_map == index
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        left, top = int(columns[0]), int(rows[0])
        infos.append(
            {
                "id": int(ids[index]),
                "category_id": known.ids[known.names.index(name)],
                "area": int(mask.sum()),
                "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
                "iscrowd": 0,
            }
        )
    return infos


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m data.toyworld", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the datasets, made if needed")
    parser.add_argument("--seed", type=int, default=0, help="other seeds draw other images (default %(default)s)")
    parser.add_argument(
        "--images", type=int, default=IMAGES, help="training images; a quarter more for val (default %(default)s)"
    )
    parser.add_argument("--size", type=int, default=SIZE, help="typical side in pixels (default %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    arguments = parser.parse_args()
    for name, least in (("seed", 0), ("images", 1), ("size", 32)):
        if getattr(arguments, name) < least:
            parser.exit(2, f"--{name}: expected {least} or more, found {getattr(arguments, name)}\n")
    return arguments


def main() -> int:
    arguments = _parse_arguments()
    try:
        folder = draw_coco(
            arguments.output,
            seed=arguments.seed,
            images=arguments.images,
            size=arguments.size,
            overwrite=arguments.overwrite,
        )
    except (DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{folder}: {arguments.images} training images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
