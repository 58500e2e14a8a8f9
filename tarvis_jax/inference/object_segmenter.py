"""Clip after clip of a video whose objects are given by masks or points (VOS, PET)."""

from collections.abc import Callable, Iterator

import numpy as np

from data.videos.video import GivenObject
from tarvis_jax.errors import UserError
from tarvis_jax.inference.geometry import Geometry
from tarvis_jax.inference.network import Network
from tarvis_jax.inference.prompts import ClipPrompts, FoundObjects, clip_prompts
from tarvis_jax.inference.results import ClipLogits, FrameResult
from tarvis_jax.inference.stitching.objects import ObjectStitcher, masks_of_logits
from tarvis_jax.models.tarvis import ABSENT


class ObjectSegmenter:
    """Follows given objects; a clip without any is skipped, and what was found before is forgotten.

    With `average`, results in frames that two clips share are those of the mean of both clips' logits.
    """

    def __init__(
        self,
        network: Network,
        geometry: Geometry,
        on_clip: Callable[[ClipLogits], None] | None = None,
        *,
        average: bool = False,
    ):
        self._network, self._geometry, self._on_clip, self._average = network, geometry, on_clip, average
        self._frame_of_id: dict[int, int] = {}  # of all objects so far
        self._given: list[GivenObject] = []  # in frames that a clip may still have
        self._found: FoundObjects | None = None
        self._stitcher = ObjectStitcher()

    def give(self, given: GivenObject) -> None:
        """Takes an object, in a frame that belongs to no clip yet.

        Raises:
            UserError: its id was given before, or its mask or point does not fit the frames.
        """
        _check_object(given, self._geometry)
        earlier = self._frame_of_id.setdefault(given.object_id, given.frame)
        if earlier != given.frame:
            raise UserError(
                f"object {given.object_id}: given in frame {given.frame}, but already in frame {earlier}; ids are unique"
            )
        self._given.append(given)

    def segment(self, images: np.ndarray, start: int, length: int) -> list[FrameResult]:
        """Segments the clip of frames start..start+length-1 of padded images uint8 [t, h, w, 3]; nothing is final yet."""
        end = start + length
        self._given = [x for x in self._given if x.frame >= start]
        clip = clip_prompts(self._given, self._found, start, len(images), self._geometry)
        if clip is None:
            self._found = None
            self._stitcher.add({frame: {} for frame in range(start, end)})
            return []
        prediction = self._network.segment_objects(images, length, clip.prompts, seed=start)
        logits = np.array(prediction.mask_logits[: len(clip.ids), :length])
        _blank_before_first_frames(logits, clip, start)
        if self._on_clip is not None:
            background = np.asarray(prediction.background_logits[:, :length])
            self._on_clip(_clip_logits(start, clip, logits, background))
        previous, self._found = self._found, FoundObjects(clip.ids, start, logits)
        if self._average and previous is not None:
            logits = average_shared_frames(previous, self._found)
        masks = {start + i: masks_of_logits(clip.ids, self._geometry.restore(logits[:, i])) for i in range(length)}
        self._stitcher.add(masks, clip.ids if self._average else None)
        return []

    def go_on(self, next_start: int) -> list[FrameResult]:
        """What is final now that the video goes on, with a next clip from `next_start`."""
        return [FrameResult(*frame) for frame in self._stitcher.settle(next_start)]

    def finish(self) -> Iterator[FrameResult]:
        """The frames that are left, now that the video has ended."""
        for frame in self._stitcher.settle(None):
            yield FrameResult(*frame)


def average_shared_frames(previous: FoundObjects, current: FoundObjects) -> np.ndarray:
    """The logits of a clip, [n, t, h / 4, w / 4]; where the clip before has the object too, in frames of both, their mean."""
    merged, shared = current.logits.copy(), previous.end - current.start
    for slot, i in enumerate(current.ids):
        if i in previous.ids:
            merged[slot, :shared] = (previous.logits[list(previous.ids).index(i), -shared:] + merged[slot, :shared]) / 2
    return merged


def _check_object(given: GivenObject, geometry: Geometry) -> None:
    name, (height, width) = f"object {given.object_id}", geometry.given
    if given.mask is not None:
        if given.mask.shape != geometry.given:
            raise UserError(f"{name}: mask of shape {given.mask.shape}; expected {geometry.given}, the size of the frames")
        if not given.mask.any():
            raise UserError(f"{name}: its mask in frame {given.frame} is empty; expected at least one pixel")
    else:
        x, y = given.point
        if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
            raise UserError(f"{name}: point ({x:g}, {y:g}) lies outside of frame {given.frame} of {width} x {height} pixels")


def _blank_before_first_frames(logits: np.ndarray, clip: ClipPrompts, start: int) -> None:
    """No object is there before the frame in which it is given."""
    for slot, i in enumerate(clip.ids):
        if i in clip.first_frames:
            logits[slot, : clip.first_frames[i] - start] = ABSENT


def _clip_logits(start: int, clip: ClipPrompts, logits: np.ndarray, background: np.ndarray) -> ClipLogits:
    arrays = {"mask_logits": logits, "object_ids": np.array(clip.ids, np.int64), "background_logits": background}
    return ClipLogits(np.arange(start, start + logits.shape[1]), arrays)
