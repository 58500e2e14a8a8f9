"""Writes drawn videos as YouTube-VIS 2021 and as OVIS.

The published lists of "valid" have no annotations; neither have these. Ground truth for the evaluation is written beside them,
in a file that the published datasets do not have.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data import categories
from data.toy.files import INFO, bounding_box, save_image, save_json
from data.toy.layout import Layout, VideoSource
from data.toy.video import DrawnVideo

GROUND_TRUTH = "ground_truth_valid.json"


def write_youtube_vis(root: Path, videos: VideoSource) -> None:
    """Writes valid/{instances.json,JPEGImages/VIDEO/FRAME.jpg} and the ground truth."""
    names = "{:05d}.jpg", range(0, 10**5, 5)  # every 5th frame of a video is there
    _write(root, "youtube_vis", Path("valid") / "instances.json", Path("valid") / "JPEGImages", names, videos)


def write_ovis(root: Path, videos: VideoSource) -> None:
    """Writes annotations_valid.json, valid/VIDEO/img_FRAME.jpg and the ground truth."""
    _write(root, "ovis", Path("annotations_valid.json"), Path("valid"), ("img_{:07d}.jpg", range(1, 10**7)), videos)


def _write(root: Path, dataset: str, listed: Path, images: Path, names: tuple[str, range], videos: VideoSource) -> None:
    """Writes the list of videos and their images under these paths; names of frames are a pattern and its numbers."""
    known = categories.load(dataset)
    rows = zip(known.ids, known.names, strict=True)
    content: dict[str, Any] = {
        "info": INFO,
        "licenses": [],
        "videos": [],
        "categories": [{"id": category, "name": name, "supercategory": "object"} for category, name in rows],
    }
    annotations: list[dict[str, Any]] = []
    ids = itertools.count(1)
    for video_id, (_, video) in enumerate(videos, start=1):
        folder, (length, height, width) = f"toy{video_id - 1:03d}", video.thing_map.shape
        files = [f"{folder}/{names[0].format(number)}" for number in names[1][:length]]
        for file, image in zip(files, video.images, strict=True):
            save_image(root / images / file, image)
        content["videos"].append({"id": video_id, "width": width, "height": height, "length": length, "file_names": files})
        category_ids = [known.ids[known.names.index(name)] for name in video.things]
        annotations += _annotations(video, category_ids, video_id, ids)
    save_json(root / listed, content)
    save_json(root / GROUND_TRUTH, content | {"annotations": annotations})


def _annotations(video: DrawnVideo, category_ids: list[int], video_id: int, ids: Iterator[int]) -> Iterator[dict[str, Any]]:
    """The things that are to be seen in a frame or more."""
    length, height, width = video.thing_map.shape
    for thing, category in enumerate(category_ids, start=1):
        masks = video.thing_map == thing
        if not masks.any():
            continue
        present = [mask if mask.any() else None for mask in masks]
        yield {
            "id": next(ids),
            "video_id": video_id,
            "category_id": category,
            "iscrowd": 0,
            "width": width,
            "height": height,
            "length": length,
            "segmentations": [None if mask is None else _run_lengths(mask) for mask in present],
            "areas": [None if mask is None else int(mask.sum()) for mask in present],
            "bboxes": [None if mask is None else bounding_box(mask) for mask in present],
        }


def _run_lengths(mask: np.ndarray) -> dict[str, Any]:
    """A mask [h, w] as the published annotations have it: lengths of runs down the columns, of 0 first."""
    flat = np.concatenate([[0], mask.ravel(order="F"), [0]]).astype(np.int8)
    borders = np.concatenate([[0], np.flatnonzero(np.diff(flat)), [mask.size]])
    runs = np.diff(borders).tolist()
    return {"size": list(mask.shape), "counts": runs if runs[-1] else runs[:-1]}


LAYOUT = Layout(
    write_youtube_vis,
    frames=18,
    things={name: name for name in ("person", "car", "truck", "fish", "turtle", "bird", "boat")},
)
OVIS_LAYOUT = Layout(
    write_ovis,
    frames=18,
    things={
        "person": "Person",
        "car": "Vehicle",
        "bicycle": "Bicycle",
        "fish": "Fish",
        "turtle": "Turtle",
        "bird": "Bird",
        "boat": "Boat",
    },
)
