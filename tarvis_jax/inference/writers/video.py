"""Results of one video in plain formats (interface, "Inference"): masks, tracks, panoptic maps, raw logits."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image
from pycocotools import mask as rle

from data.categories import Categories
from tarvis_jax.inference.frames import Frames
from tarvis_jax.inference.palette import id_colours
from tarvis_jax.inference.results import ClipLogits, FrameResult, TrackInfo
from tarvis_jax.inference.stitching.objects import paint

FIRST_THING = 1000  # panoptic id of track i is 1000 + i; that of class index i, where no track is, 1 + i


class VideoWriter(Protocol):
    """Takes the final frames of a video in order, then the tracks. `names` are the files and folders that it writes."""

    names: Sequence[str]

    def add(self, result: FrameResult, size: tuple[int, int]) -> None:
        """Takes the next frame, of size (h, w)."""

    def close(self, tracks: Sequence[TrackInfo]) -> None:
        """Takes the tracks, after the last frame."""


class MaskWriter:
    """`masks/STEM.png`: palette PNGs of object ids."""

    names = ("masks",)

    def __init__(self, folder: Path, frames: Frames):
        self._folder, self._frames = folder / "masks", frames
        self._folder.mkdir()

    def add(self, result: FrameResult, size: tuple[int, int]) -> None:
        save_ids(self._folder / f"{self._frames.name(result.frame_index)}.png", paint(result.masks, size))

    def close(self, tracks: Sequence[TrackInfo]) -> None:
        """Every frame is written already."""


def save_ids(path: Path, labels: np.ndarray) -> None:
    """Writes labels uint8 [h, w] as a palette PNG."""
    image = Image.fromarray(labels, mode="P")
    image.putpalette(id_colours().tobytes())
    image.save(path)


class TrackWriter:
    """`tracks.json`: a row for each track and class, with its masks in all frames."""

    names = ("tracks.json",)

    def __init__(self, folder: Path):
        self._file = folder / "tracks.json"
        self._frames: list[list[dict | None]] = []

    def add(self, result: FrameResult, size: tuple[int, int]) -> None:
        self._frames.append([encode_mask(mask) for mask in result.instances])

    def close(self, tracks: Sequence[TrackInfo]) -> None:
        rows = [
            {
                "track_id": track.id,
                "category_id": track.category_id,
                "category": track.category,
                "score": track.score,
                "segmentations": [frame[row] for frame in self._frames],
            }
            for row, track in enumerate(tracks)
        ]
        self._file.write_text(json.dumps(rows))


def encode_mask(mask: np.ndarray | None) -> dict[str, Any] | None:
    """Compressed run-length encoding {"size": [h, w], "counts": text} of a mask, None of one without a pixel."""
    if mask is None or not mask.any():
        return None
    encoded = rle.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


class PanopticWriter:
    """`panoptic/STEM.png`, ids R + 256 G + 65536 B, and `panoptic.json`; a segment has the same id in all frames."""

    names = ("panoptic", "panoptic.json")

    def __init__(self, folder: Path, frames: Frames, categories: Categories):
        self._folder, self._frames, self._categories = folder, frames, categories
        self._segments: list[tuple[str, list[int]]] = []  # file name and segment ids of the frames
        (folder / "panoptic").mkdir()

    def add(self, result: FrameResult, size: tuple[int, int]) -> None:
        panoptic = result.panoptic
        ids = np.where(panoptic.track_map > 0, FIRST_THING + panoptic.track_map, 1 + panoptic.class_map)
        rgb = np.stack([ids & 255, (ids >> 8) & 255, ids >> 16], axis=-1).astype(np.uint8)
        name = f"{self._frames.name(result.frame_index)}.png"
        Image.fromarray(rgb).save(self._folder / "panoptic" / name)
        self._segments.append((name, np.unique(ids).tolist()))

    def close(self, tracks: Sequence[TrackInfo]) -> None:
        by_id = {FIRST_THING + track.id: _thing_info(track) for track in tracks}
        by_id |= {1 + i: self._stuff_info(i) for i in range(len(self._categories))}
        rows = [{"file_name": name, "segments_info": [by_id[i] for i in ids]} for name, ids in self._segments]
        (self._folder / "panoptic.json").write_text(json.dumps(rows))

    def _stuff_info(self, index: int) -> dict[str, Any]:
        known = self._categories
        return {"id": 1 + index, "category_id": known.ids[index], "category": known.names[index], "isthing": False}


def _thing_info(track: TrackInfo) -> dict[str, Any]:
    return {
        "id": FIRST_THING + track.id,
        "category_id": track.category_id,
        "category": track.category,
        "isthing": True,
        "track_id": track.id,
    }


class LogitsWriter:
    """`logits.npz`: arrays `clipI/NAME` of the clips I from 0, written as they come. A context manager."""

    names = ("logits.npz",)

    def __init__(self, folder: Path):
        self._archive = zipfile.ZipFile(folder / "logits.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._clips = 0

    def __enter__(self) -> "LogitsWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def __call__(self, clip: ClipLogits) -> None:
        """Writes a clip."""
        for name, array in {"frames": clip.frames, **clip.arrays}.items():
            with self._archive.open(f"clip{self._clips}/{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
        self._clips += 1
