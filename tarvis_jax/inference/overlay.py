"""Pictures of results over the frames: a video, and a contact sheet of some frames."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from data.pictures import spread_colours
from tarvis_jax.inference.results import FrameResult

_OPACITY = 0.5
_COLOURS = 256
_SHEET_COLUMNS, _SHEET_ROWS, _SHEET_WIDTH = 4, 3, 480  # pictures, and pixels of one
_FONT, _FONT_SIDE, _SMALLEST_FONT = cv2.FONT_HERSHEY_SIMPLEX, 600, 0.35  # height of frames with text of plain size
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def draw_overlay(
    frame: np.ndarray, result: FrameResult, captions: Mapping[int, str], class_colours: Sequence[Sequence[int]] = ()
) -> np.ndarray:
    """The frame RGB uint8 [h, w, 3] under its masks, outlined and with captions; an id has the same colour in every picture.

    For panoptic results, the rest has the colours of its classes.
    """
    colours, drawn = spread_colours(_COLOURS), frame.astype(np.float32)
    if result.panoptic is not None:
        stuff = result.panoptic.track_map == 0
        drawn[stuff] += _OPACITY * (np.asarray(class_colours, np.float32)[result.panoptic.class_map[stuff]] - drawn[stuff])
    for i, mask in result.masks.items():
        drawn[mask] += _OPACITY * (colours[i % _COLOURS] - drawn[mask])
    drawn = drawn.astype(np.uint8)
    for i, mask in result.masks.items():
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, colours[i % _COLOURS].tolist(), 2)
    for i, mask in result.masks.items():
        _write(drawn, captions.get(i, str(i)), mask)
    return drawn


def _write(picture: np.ndarray, text: str, mask: np.ndarray) -> None:
    """Writes white text with a black edge around the middle of a mask."""
    rows, columns = np.nonzero(mask)
    scale = max(picture.shape[0] / _FONT_SIDE, _SMALLEST_FONT)
    (width, height), _ = cv2.getTextSize(text, _FONT, scale, 1)
    x = int(np.clip(columns.mean() - width / 2, 0, max(picture.shape[1] - width, 0)))
    y = int(np.clip(rows.mean() + height / 2, height, picture.shape[0]))
    for colour, thickness in ((_BLACK, 4 * scale), (_WHITE, 1.5 * scale)):
        cv2.putText(picture, text, (x, y), _FONT, scale, colour, max(1, round(thickness)), cv2.LINE_AA)


class OverlayWriter:
    """`overlay.mp4`, and `overlay.png` with frames spread evenly over the video."""

    names = ("overlay.mp4", "overlay.png")

    def __init__(self, folder: Path, frames: int, fps: float):
        self._folder, self._fps = folder, fps
        pictures = min(frames, _SHEET_COLUMNS * _SHEET_ROWS)
        self._chosen = set(np.linspace(0, frames - 1, pictures).round().astype(int).tolist())
        self._video: cv2.VideoWriter | None = None
        self._sheet: list[np.ndarray] = []

    def add(self, index: int, picture: np.ndarray) -> None:
        """Takes the picture of the next frame, RGB uint8 [h, w, 3]."""
        height, width = picture.shape[:2]
        even = cv2.cvtColor(picture[: height - height % 2 or 1, : width - width % 2 or 1], cv2.COLOR_RGB2BGR)
        if self._video is None:
            size = even.shape[1::-1]
            self._video = cv2.VideoWriter(str(self._folder / self.names[0]), cv2.VideoWriter.fourcc(*"mp4v"), self._fps, size)
        self._video.write(even)
        if index in self._chosen:
            size = (_SHEET_WIDTH, max(1, round(height * _SHEET_WIDTH / width)))
            self._sheet.append(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))

    def close(self) -> None:
        """Ends the video and writes the contact sheet."""
        self._video.release()
        columns = min(len(self._sheet), _SHEET_COLUMNS)
        blank = np.zeros_like(self._sheet[0])
        rows = [self._sheet[i : i + columns] for i in range(0, len(self._sheet), columns)]
        rows[-1] += [blank] * (columns - len(rows[-1]))
        sheet = np.concatenate([np.concatenate(row, axis=1) for row in rows])
        cv2.imwrite(str(self._folder / self.names[1]), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
