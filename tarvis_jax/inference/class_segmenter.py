"""Clip after clip of a video in which all instances of a dataset's classes are looked for (VIS, VPS).

Classes and scores are means over the whole video. Until its end, masks are provisional and wait in a temporary file.
"""

import pickle
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from data import categories
from data.categories import Categories
from tarvis_jax.inference.geometry import Geometry, Size
from tarvis_jax.inference.network import ClassPrediction, Network
from tarvis_jax.inference.results import ClipLogits, FrameResult, PanopticFrame, TrackInfo
from tarvis_jax.inference.stitching.instances import InstanceSettings, InstanceStitcher, TrackLogits
from tarvis_jax.inference.stitching.semantics import SemanticStitcher, merge_panoptic, panoptic_tracks, without_things
from tarvis_jax.inference.stitching.tracks import best_tracks, disjoint_masks

PANOPTIC_THRESHOLD = 0.5
INSTANCES = {"vis": InstanceSettings(max_tracks=10, threshold=0.0), "vps": InstanceSettings(1000, PANOPTIC_THRESHOLD)}
REPORTED_TRACKS = {"ovis": 20}  # pairs of a track and a class that "vis" reports; 10 of other datasets
DEFAULT_REPORTED_TRACKS = 10


class ClassSegmenter:
    """Looks for the instances of a dataset's classes, and for "vps" also for the class of every pixel."""

    def __init__(
        self,
        network: Network,
        geometry: Geometry,
        task: str,
        dataset: str,
        on_clip: Callable[[ClipLogits], None] | None = None,
        *,
        average: bool = False,
    ):
        self.tracks: list[TrackInfo] = []  # complete after `finish`
        self._network, self._geometry, self._on_clip = network, geometry, on_clip
        self._task, self._dataset = task, dataset
        self._categories = categories.load(dataset)
        self._instances, self._semantics = InstanceStitcher(INSTANCES[task], average=average), SemanticStitcher()
        self._waiting: dict[int, dict[int, np.ndarray]] = {}  # masks of frames whose classes are not complete
        self._spool = _Spool(geometry.given)

    def segment(self, images: np.ndarray, start: int, length: int) -> list[FrameResult]:
        """Segments the clip of frames start..start+length-1 of padded images uint8 [t, h, w, 3].

        Returns:
            The frames that no later clip can change, with provisional masks.
        """
        prediction = self._network.segment_classes(images, length, self._task, self._dataset)
        if self._on_clip is not None:
            self._on_clip(_clip_logits(start, length, prediction))

        def mask_logits(kept: np.ndarray) -> np.ndarray:
            return np.asarray(prediction.mask_logits[kept, :length])

        self._keep_masks(self._instances.add(start, start + length, prediction.class_logits, mask_logits))
        if self._task == "vis":
            return [self._close(frame, None) for frame in sorted(self._waiting)]
        semantics = np.asarray(prediction.semantic_logits[:, :length])
        return [self._close(*frame) for frame in self._semantics.add(start, semantics)]

    def go_on(self, next_start: int) -> list[FrameResult]:
        """Nothing: no frame waits for the news that the video goes on."""
        return []

    def finish(self) -> Iterator[FrameResult]:
        """All frames of the video, with their final results; `tracks` is complete when the first one comes."""
        self._keep_masks(self._instances.finish())
        for frame in [(index, None) for index in sorted(self._waiting)] if self._task == "vis" else self._semantics.finish():
            self._close(*frame)
        yield from self._final_instances() if self._task == "vis" else self._final_panoptic()

    def _keep_masks(self, frames: Iterable[tuple[int, TrackLogits]]) -> None:
        for frame, logits in frames:
            masks = {i: self._geometry.restore(x) > 0 for i, x in logits.items()}
            self._waiting[frame] = {i: mask for i, mask in masks.items() if mask.any()}

    def _close(self, frame: int, class_logits: np.ndarray | None) -> FrameResult:
        """Writes a frame to the spool; its class logits [k, h / 4, w / 4] are those of "vps"."""
        masks, class_map = self._waiting.pop(frame), None
        if class_logits is not None:
            restored = self._geometry.restore(without_things(class_logits, self._categories.isthing))
            class_map = restored.argmax(axis=0).astype(np.uint8)
        self._spool.write(_SpooledFrame(frame, masks, class_map))
        return FrameResult(frame, masks, provisional=True)

    def _final_instances(self) -> Iterator[FrameResult]:
        pairs = best_tracks(self._instances.tracks, REPORTED_TRACKS.get(self._dataset, DEFAULT_REPORTED_TRACKS))
        self.tracks = [_track_info(self._categories, i, c - 1, score) for i, c, score in pairs]
        for frame in self._spool:
            instances = disjoint_masks(frame.masks, pairs)
            masks: dict[int, np.ndarray] = {}
            for pair, mask in zip(pairs, instances, strict=True):
                if mask is not None and mask.any():
                    masks.setdefault(pair.track_id, mask)  # of a track's best class
            yield FrameResult(frame.index, masks, instances=instances)

    def _final_panoptic(self) -> Iterator[FrameResult]:
        segments = panoptic_tracks(self._instances.tracks, self._categories.isthing, PANOPTIC_THRESHOLD)
        self.tracks = [_track_info(self._categories, *segment) for segment in segments]
        for frame in self._spool:
            class_map, track_map = merge_panoptic(frame.class_map, frame.masks, segments)
            present = np.unique(track_map[track_map > 0]).tolist()
            masks = {i: track_map == i for i in present}
            yield FrameResult(frame.index, masks, panoptic=PanopticFrame(class_map, track_map))


def _track_info(known: Categories, track_id: int, index: int, score: float) -> TrackInfo:
    return TrackInfo(track_id, known.ids[index], known.names[index], score, known.isthing[index])


def _clip_logits(start: int, length: int, prediction: ClassPrediction) -> ClipLogits:
    arrays = {
        "mask_logits": np.asarray(prediction.mask_logits[:, :length]),
        "class_logits": prediction.class_logits,
        "semantic_logits": np.asarray(prediction.semantic_logits[:, :length]),
    }
    return ClipLogits(np.arange(start, start + length), arrays)


class _SpooledFrame(NamedTuple):
    """A frame as it waits: masks bool [h, w] by track id, and its class map uint8 [h, w] or None."""

    index: int
    masks: dict[int, np.ndarray]
    class_map: np.ndarray | None


class _Spool:
    """Frames in a temporary file, read in the order in which they were written."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the spool
        weakref.finalize(self, self._file.close)
        self._frames = 0

    def write(self, frame: _SpooledFrame) -> None:
        packed = {i: np.packbits(mask) for i, mask in frame.masks.items()}
        record = pickle.dumps((frame.index, packed, frame.class_map))
        pickle.dump(zlib.compress(record, level=1), self._file)
        self._frames += 1

    def __iter__(self) -> Iterator[_SpooledFrame]:
        self._file.seek(0)
        height, width = self._size
        for _ in range(self._frames):
            index, packed, class_map = pickle.loads(zlib.decompress(pickle.load(self._file)))
            masks = {i: np.unpackbits(x, count=height * width).astype(bool).reshape(height, width) for i, x in packed.items()}
            yield _SpooledFrame(index, masks, class_map)
