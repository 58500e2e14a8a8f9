"""IoU of tracks of masks over a video: the overlap that track mAP (YouTube-VIS, OVIS, BURST) is built on.

Masks are compressed COCO RLEs, {"size": [h, w], "counts": string}, that have been checked (`masks.corrupt_rle`): pycocotools
itself hangs or reads beyond the end of broken ones. Nothing is decoded.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

Rle = Mapping[str, Any]
Track = Mapping[int, Rle]  # frame -> mask; a frame in which the object is absent has none, or an empty mask

_AREA_CHUNK = 255  # pycocotools 2.0.11 with numpy 2 raises OverflowError beyond


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
    pred_frames, pred_areas = _by_frame(pred_tracks)
    gt_frames, gt_areas = _by_frame(gt_tracks)
    intersections = np.zeros((len(pred_tracks), len(gt_tracks)))
    for frame, preds in pred_frames.items():
        if frame in gt_frames:
            pred_indices, gt_indices = list(preds), list(gt_frames[frame])
            overlap = frame_intersections([*preds.values()], [*gt_frames[frame].values()])
            intersections[np.ix_(pred_indices, gt_indices)] += overlap
    unions = pred_areas[:, None] + gt_areas[None, :] - intersections
    return np.divide(intersections, unions, out=np.zeros_like(intersections), where=unions > 0)


def frame_intersections(preds: Sequence[Rle], gts: Sequence[Rle]) -> np.ndarray:
    """Pixels that each of p >= 1 predicted and g >= 1 ground-truth masks of one frame share, float64 [p, g]; none is empty."""
    shares = coco_mask.iou(preds, gts, [1] * len(gts))  # of a "crowd": intersection / area of the prediction
    return np.rint(shares * mask_areas(preds)[:, None])


def _by_frame(tracks: Sequence[Track]) -> tuple[dict[int, dict[int, Rle]], np.ndarray]:
    """The masks that are not empty as {frame: {index of the track: mask}}, and the area of each track."""
    rles = [rle for track in tracks for rle in track.values()]
    mask_area = mask_areas(rles)
    owners = np.repeat(np.arange(len(tracks)), [len(track) for track in tracks])
    frames: dict[int, dict[int, Rle]] = {}
    keys = [frame for track in tracks for frame in track]
    for frame, owner, rle, area in zip(keys, owners.tolist(), rles, mask_area.tolist(), strict=True):
        if area:
            frames.setdefault(frame, {})[owner] = rle
    return frames, np.bincount(owners, weights=mask_area, minlength=len(tracks))
