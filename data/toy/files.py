"""What the layouts of drawn datasets share: image files, run-length encoded masks, lists of segments."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from data.categories import Categories

INFO = {"description": "drawn by data.toyworld"}
_JPEG_QUALITY = 95
_ID_END = 1 << 24  # three 8-bit channels


def save_json(path: Path, content: Any) -> None:
    """Makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def save_image(path: Path, image: np.ndarray) -> None:
    """Saves uint8 [h, w, 3], as .jpg or .png, or [h, w] as .png; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **({"quality": _JPEG_QUALITY} if path.suffix == ".jpg" else {}))


def save_ids(path: Path, ids: np.ndarray) -> None:
    """Saves int [h, w], 0..2^24 - 1, as an RGB PNG: id = R + 256 G + 65536 B."""
    save_image(path, np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8))


def draw_ids(rng: np.random.Generator, count: int) -> np.ndarray:
    """Different ids, int32 [count], spread over all 24 bits as in the published files; ascending, never 0."""
    return np.sort(rng.choice(_ID_END - 1, count, replace=False)).astype(np.int32) + 1


def encode(mask: np.ndarray) -> str:
    """Compressed RLE counts of a mask [h, w]."""
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()


def bounding_box(mask: np.ndarray) -> list[int]:
    """[x, y, w, h] of a mask [h, w] with at least one pixel."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top]


def segments_info(segment_map: np.ndarray, ids: Sequence[int], names: Sequence[str], known: Categories) -> list[dict[str, Any]]:
    """COCO's description of the segments that are in a map of positions in `ids` and `names`, in this order."""
    infos = []
    for index in np.unique(segment_map).tolist():
        mask = segment_map == index
        category = known.ids[known.names.index(names[index])]
        infos.append(
            {
                "id": int(ids[index]),
                "category_id": category,
                "area": int(mask.sum()),
                "bbox": bounding_box(mask),
                "iscrowd": 0,
            }
        )
    return infos


def panoptic_categories(known: Categories) -> list[dict[str, Any]]:
    """A dataset's classes as COCO's panoptic files list them."""
    rows = zip(known.ids, known.names, known.isthing, known.colours, strict=True)
    return [
        {"id": category, "name": name, "supercategory": "", "isthing": int(isthing), "color": list(colour)}
        for category, name, isthing, colour in rows
    ]
