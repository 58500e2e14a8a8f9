"""Pictures of training clips with their labels, to see what the model is given."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from data.sources.panoptic import UNLABELLED

MAX_CLIPS = 8
_GAP = 4  # pixels between frames
_STUFF_OPACITY = 0.35
_THING_OPACITY = 0.5
_CAPTION_HEIGHT = 18
_POINT_RADIUS = 4
_WHITE = (255, 255, 255)


def write_sample_picture(path: Path, batch: Mapping[str, np.ndarray], names: tuple[str, ...]) -> None:
    """Writes a PNG with a row per clip of a batch (at most `MAX_CLIPS`): its frames with the labels drawn over them.

    Instances are outlined, each in its own colour; semantic classes are coloured lightly; a circle marks objects that are given
    by a point, in the reference frame. The caption of a row names its instances' classes.

    Args:
      batch: of the batch contract, numpy.
      names: of the dataset's classes, by class index.
    """
    rows = [_clip_row(batch, row, names) for row in range(min(len(batch["images"]), MAX_CLIPS))]
    _write_png(path, np.concatenate(rows))


def _clip_row(batch: Mapping[str, np.ndarray], row: int, names: tuple[str, ...]) -> np.ndarray:
    frames = []
    for time, image in enumerate(batch["images"][row]):
        frame = draw_labels(image, batch["instance_map"][row, time], batch["semantic_map"][row, time])
        if time == batch["reference_frame"][row]:
            _mark_points(frame, batch["points"][row], batch["is_point"][row])
        frames.append(np.pad(frame, ((0, _GAP), (0, _GAP), (0, 0))))
    clip = np.concatenate(frames, axis=1)
    classes = [names[index - 1] for index in batch["instance_class"][row][batch["instance_valid"][row]]]
    return np.concatenate([_caption(", ".join(classes), clip.shape[1]), clip])


def draw_labels(image: np.ndarray, instance_map: np.ndarray, semantic_map: np.ndarray) -> np.ndarray:
    """uint8 [h, w, 3]: the image under the colours of its classes (lightly) and of its instances (outlined)."""
    colours = spread_colours(256)
    drawn = image.astype(np.float32)
    stuff = (semantic_map != UNLABELLED) & (instance_map == 0)
    drawn[stuff] += _STUFF_OPACITY * (colours[::-1][semantic_map[stuff] % 256] - drawn[stuff])
    things = instance_map > 0
    drawn[things] += _THING_OPACITY * (colours[instance_map[things]] - drawn[things])
    drawn = drawn.astype(np.uint8)
    for slot in np.unique(instance_map[things]):
        outlines, _ = cv2.findContours((instance_map == slot).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, colours[slot].tolist(), 1)
    return drawn


def spread_colours(count: int) -> np.ndarray:
    """uint8 [count, 3]: hues a golden ratio apart, so that neighbours differ."""
    hues = (np.arange(count) * 0.618034 % 1.0 * 180).astype(np.uint8)
    hsv = np.stack([hues, np.full(count, 200, np.uint8), np.full(count, 255, np.uint8)], axis=-1)
    return cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0]


def _mark_points(frame: np.ndarray, points: np.ndarray, is_point: np.ndarray) -> None:
    height, width = frame.shape[:2]
    for x, y in points[is_point]:
        centre = int(x * width), int(y * height)
        cv2.circle(frame, centre, _POINT_RADIUS, _WHITE, -1, cv2.LINE_AA)
        cv2.circle(frame, centre, _POINT_RADIUS, (0, 0, 0), 1, cv2.LINE_AA)


def _caption(text: str, width: int) -> np.ndarray:
    strip = np.zeros((_CAPTION_HEIGHT, width, 3), np.uint8)
    cv2.putText(strip, text, (3, _CAPTION_HEIGHT - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _WHITE, 1, cv2.LINE_AA)
    return strip


def _write_png(path: Path, image: np.ndarray) -> None:
    """Under a temporary name first: whoever looks at the folder sees whole pictures only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(suffix=".png", prefix=".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            Image.fromarray(image).save(file, format="PNG")
        Path(unfinished).chmod(0o644)
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
