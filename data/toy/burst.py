"""Writes drawn videos as BURST: burst/{annotations/{val,info}/*.json,frames/val/DATASET/SEQUENCE/FRAME.jpg}."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data import categories
from data.toy.files import bounding_box, encode, save_image, save_json
from data.toy.layout import Layout, VideoSource
from data.toy.video import DrawnVideo

FPS = 6  # one frame a second is annotated
_DATASET = "Toy"  # the datasets that BURST took its videos from have names like YFCC100M
_KNOWN = categories.load("burst")


def write(root: Path, videos: VideoSource) -> None:
    """Writes the split "val"."""
    sequences, first_frames = [], []
    for index, (_, video) in enumerate(videos, start=1):
        entry = _sequence(video, index)
        sequences.append(entry)
        first_frames.append(_first_frames(entry, video.thing_map[::FPS]))
        for path, image in zip(entry["all_image_paths"], video.images, strict=True):
            save_image(root / "frames" / "val" / _DATASET / entry["seq_name"] / path, image)
    _save_annotations(root / "annotations", sequences, first_frames)


def _save_annotations(folder: Path, sequences: list[dict[str, Any]], first_frames: list[dict[str, Any]]) -> None:
    """Saves the files of the split and the lists of classes."""
    common = {category for category, is_common in zip(_KNOWN.ids, _KNOWN.common, strict=True) if is_common}
    splits = {
        "all_classes": sequences,
        "common_classes": [_with_tracks(entry, lambda category: category in common) for entry in sequences],
        "uncommon_classes": [_with_tracks(entry, lambda category: category not in common) for entry in sequences],
        "first_frame_annotations": first_frames,
    }
    rows = [
        {"id": category, "name": name, "synset": "", "def": "", "synonyms": [name]}
        for category, name in zip(_KNOWN.ids, _KNOWN.names, strict=True)
    ]
    for name, entries in splits.items():
        save_json(folder / "val" / f"{name}.json", {"sequences": entries, "categories": rows, "split": "val"})
    uncommon = [category for category in _KNOWN.ids if category not in common]
    save_json(folder / "info" / "categories.json", rows)
    save_json(folder / "info" / "class_split.json", {"common": sorted(common), "uncommon": uncommon})


def _sequence(video: DrawnVideo, sequence_id: int) -> dict[str, Any]:
    """The entry of all_classes.json. Track ids count the things from 1; a thing that no annotated frame shows is no track."""
    frames, height, width = video.thing_map.shape
    paths = [f"frame{frame + 1:04d}.jpg" for frame in range(frames)]
    masks = [_masks(thing_map) for thing_map in video.thing_map[::FPS]]
    tracks = sorted({track for frame in masks for track in frame}, key=int)
    classes = {track: _KNOWN.ids[_KNOWN.names.index(video.things[int(track) - 1])] for track in tracks}
    drawn = {_KNOWN.ids[_KNOWN.names.index(name)] for name in LAYOUT.things.values()}
    return {
        "width": width,
        "height": height,
        "id": sequence_id,
        "seq_name": f"toy{sequence_id - 1:03d}",
        "dataset": _DATASET,
        "fps": FPS,
        "all_image_paths": paths,
        "annotated_image_paths": paths[::FPS],
        "neg_category_ids": sorted(drawn - set(classes.values())),
        "not_exhaustive_category_ids": [],
        "track_category_ids": classes,
        "segmentations": masks,
    }


def _masks(thing_map: np.ndarray) -> dict[str, dict[str, Any]]:
    """The masks in a frame by track id."""
    present = [thing for thing in np.unique(thing_map).tolist() if thing]
    return {str(thing): {"rle": encode(thing_map == thing), "is_gt": True, "score": 1.0} for thing in present}


def _with_tracks(entry: dict[str, Any], is_wanted: Callable[[int], bool]) -> dict[str, Any]:
    """The entry with the tracks of the wanted categories alone."""
    classes = {track: category for track, category in entry["track_category_ids"].items() if is_wanted(category)}
    masks = [{track: mask for track, mask in frame.items() if track in classes} for frame in entry["segmentations"]]
    return entry | {"track_category_ids": classes, "segmentations": masks}


def _first_frames(entry: dict[str, Any], thing_maps: np.ndarray) -> dict[str, Any]:
    """The entry with the first mask of each track alone, and a box and a point for it; maps [t, h, w] of its frames."""
    seen: set[str] = set()
    first_masks = []
    for frame, thing_map in zip(entry["segmentations"], thing_maps, strict=True):
        new = {track: mask for track, mask in frame.items() if track not in seen}
        seen |= new.keys()
        first_masks.append({track: mask | _box_and_point(thing_map == int(track)) for track, mask in new.items()})
    return entry | {"segmentations": first_masks}


def _box_and_point(mask: np.ndarray) -> dict[str, Any]:
    """The tight box of a mask, and the pixel that is farthest from its outline."""
    padded = np.pad(mask.astype(np.uint8), 1)  # the border of the image is an outline too
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return {"bbox": dict(zip("xywh", bounding_box(mask), strict=True)), "point": {"x": int(x), "y": int(y)}}


LAYOUT = Layout(
    write,
    frames=4 * FPS + 1,
    things={
        "person": "baby",  # BURST's name for the class of all people
        "car": "car_(automobile)",
        "truck": "truck",
        "bicycle": "bicycle",
        "fish": "fish",
        "turtle": "turtle",
        "bird": "bird",
        "boat": "fishing_boat",
    },
)
