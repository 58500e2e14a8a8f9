"""IoU of tracks of masks over a video: the overlap that track mAP (YouTube-VIS, OVIS, BURST) is built on.

Masks are compressed COCO RLEs, {"size": [h, w], "counts": string}, that have been checked (`data.reading.corrupt_rle`):
pycocotools itself hangs or reads beyond the end of broken ones. Nothing is decoded.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

Rle = Mapping[str, Any]
Track = Mapping[int, Rle]  # frame -> mask; a frame in which the object is absent has none, or an empty mask

_AREA_CHUNK = 255  # pycocotools 2.0.11 with numpy 2 raises OverflowError beyond
_BLOCK = 1_000_000  # pairs of masks at a time


def mask_areas(rles: Sequence[Rle]) -> np.ndarray:
    """Pixels of each of n masks, int64 [n]."""
    chunks = [coco_mask.area(rles[start : start + _AREA_CHUNK]) for start in range(0, len(rles), _AREA_CHUNK)]
    return np.concatenate([np.empty(0, np.int64), *chunks], dtype=np.int64)


def track_ious(pred_tracks: Sequence[Track], gt_tracks: Sequence[Track]) -> np.ndarray:
    """IoU of each of p predicted tracks with each of g ground-truth tracks of one video, float64 [p, g].

    The IoU of two tracks is the sum over all frames of the pixels in both, divided by the sum over all frames of the pixels in
    either (Yang et al., Video Instance Segmentation, ICCV 2019); frames with only one of the two count in the second sum. It is
    0 for two tracks without a pixel.

    >>> full, empty = {"size": [2, 2], "counts": "04"}, {"size": [2, 2], "counts": "4"}
    >>> track_ious([{0: full, 1: full}], [{0: full}, {0: empty, 1: full, 2: full}, {}]).round(3).tolist()
    [[0.5, 0.333, 0.0]]
    """
    pred, gt = _MasksOfTracks.of(pred_tracks), _MasksOfTracks.of(gt_tracks)
    pairs = len(pred_tracks) * len(gt_tracks)
    intersections = np.zeros(pairs)
    for frames in _blocks(pred, gt):
        p, g, pixels = _intersections(pred.in_frames(*frames), gt.in_frames(*frames))
        intersections += np.bincount(p * len(gt_tracks) + g, pixels, minlength=pairs)
    intersections = intersections.reshape(len(pred_tracks), len(gt_tracks))
    pred_areas = np.bincount(pred.track, pred.area, minlength=len(pred_tracks))
    unions = pred_areas[:, None] + np.bincount(gt.track, gt.area, minlength=len(gt_tracks)) - intersections
    return np.divide(intersections, unions, out=np.zeros_like(intersections), where=unions > 0)


@dataclasses.dataclass(frozen=True)
class _MasksOfTracks:
    """n masks: frame, index of the track and area of each, int [n].

    Their RLEs state another width in each frame, since pycocotools does not compare masks of different sizes: so one call
    compares masks frame by frame. Nothing else depends on the width, as runs go down the columns.
    """

    rles: list[Rle]
    frame: np.ndarray
    track: np.ndarray
    area: np.ndarray

    @classmethod
    def of(cls, tracks: Sequence[Track]) -> "_MasksOfTracks":
        rles = [rle for track in tracks for rle in track.values()]
        frames = [frame for track in tracks for frame in track]
        sizes = [[rle["size"][0], rle["size"][1] + frame] for rle, frame in zip(rles, frames, strict=True)]
        rles = [{"size": size, "counts": rle["counts"]} for rle, size in zip(rles, sizes, strict=True)]
        owner = np.repeat(np.arange(len(tracks)), [len(track) for track in tracks])
        return cls(rles, np.array(frames, int), owner, mask_areas(rles))

    def in_frames(self, first: int, stop: int) -> "_MasksOfTracks":
        """The masks that are not empty of the frames from `first` to before `stop`."""
        chosen = (self.frame >= first) & (self.frame < stop) & (self.area > 0)
        rles = list(itertools.compress(self.rles, chosen.tolist()))
        return _MasksOfTracks(rles, self.frame[chosen], self.track[chosen], self.area[chosen])


def _blocks(pred: _MasksOfTracks, gt: _MasksOfTracks) -> Iterator[tuple[int, int]]:
    """Ranges of frames that make about `_BLOCK` pairs of masks each, as (first, stop)."""
    if len(pred.rles) and len(gt.rles):
        first, stop = int(gt.frame.min()), int(gt.frame.max()) + 1
        count = math.ceil(len(pred.rles) * len(gt.rles) / _BLOCK)
        yield from itertools.pairwise(np.linspace(first, stop, min(count, stop - first) + 1).astype(int).tolist())


def _intersections(pred: _MasksOfTracks, gt: _MasksOfTracks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tracks of both sides that overlap in a frame, and the pixels that they share there."""
    if not pred.rles or not gt.rles:
        return np.empty(0, int), np.empty(0, int), np.empty(0)
    shares = coco_mask.iou(pred.rles, gt.rles, [1] * len(gt.rles))  # of a "crowd": intersection / area of the prediction
    p, g = np.nonzero(shares > 0)
    return pred.track[p], gt.track[g], np.rint(shares[p, g] * pred.area[p])
