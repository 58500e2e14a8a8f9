"""From what a user gives, and from what the clip before found, to the prompts of a clip (facts of the original, section 12).

The reference frames of a clip are those that it shares with the clip before, where the masks found there stand for the objects,
and those in which objects are given. So an object given by a point is a mask from its second clip on.

A mistake of the original is mended: a point in frames that two clips share does not make its object twice.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from data.videos.video import GivenObject
from tarvis_jax.inference.geometry import Geometry
from tarvis_jax.models.object_points import ObjectPrompts

FEWEST_SLOTS = 4  # of objects; doubled as needed, so that few programs are compiled


@dataclasses.dataclass(frozen=True)
class FoundObjects:
    """The objects of a clip: ids [n] and mask logits [n, t, h / 4, w / 4] of the frames start..start+t-1."""

    ids: Sequence[int]
    start: int
    logits: np.ndarray

    @property
    def end(self) -> int:
        """The frame after the clip's last."""
        return self.start + self.logits.shape[1]


@dataclasses.dataclass(frozen=True)
class ClipPrompts:
    """The objects of a clip.

    Attributes:
        ids: in the order of their slots: those of the clip before, then new ones given by masks, then by points.
        prompts: of one sample, with as many object slots as a power of two.
        first_frames: by id, the frame of the video from which on an object is there; before it, it is absent.
    """

    ids: list[int]
    prompts: ObjectPrompts
    first_frames: dict[int, int]


def clip_prompts(
    given: Sequence[GivenObject], found: FoundObjects | None, start: int, slots: int, geometry: Geometry
) -> ClipPrompts | None:
    """The prompts of a clip, None if it has no object.

    Args:
        given: the objects given in frames of the clip.
        found: the objects of the clip before; one without a pixel in the shared frames is lost.
        start: first frame of the clip.
        slots: frame slots t of the clip, of which any may be a reference frame.
        geometry: sizes of the video.
    """
    masks = _found_masks(found, start, geometry)
    known = {i for i, frames in masks.items() if any(mask.any() for mask in frames.values())}
    by_mask = [x for x in given if x.mask is not None]
    by_point = [x for x in given if x.point is not None and x.object_id not in known]
    for x in by_mask:
        masks.setdefault(x.object_id, {})[x.frame] = geometry.mask(x.mask)
        known.add(x.object_id)
    ids = [i for i in masks if i in known] + [x.object_id for x in by_point]
    if not ids:
        return None
    shared = range(start, found.end) if found is not None else ()
    frames = sorted({*shared, *(x.frame for x in by_mask), *(x.frame for x in by_point)})
    prompts = _empty_prompts(len(ids), slots, geometry)
    prompts.frames[0, : len(frames)] = np.array(frames) - start
    prompts.valid[0, : len(ids)] = True
    for slot, i in enumerate(ids[: len(ids) - len(by_point)]):
        for frame, mask in masks[i].items():
            prompts.masks[0, slot, frames.index(frame)] = mask
    for slot, x in enumerate(by_point, start=len(ids) - len(by_point)):
        prompts.is_point[0, slot] = True
        prompts.points[0, slot] = geometry.point(*x.point)
        prompts.point_frames[0, slot] = x.frame - start
    return ClipPrompts(ids, prompts, {x.object_id: x.frame for x in given})


def _found_masks(found: FoundObjects | None, start: int, geometry: Geometry) -> dict[int, dict[int, np.ndarray]]:
    """Masks at the padded size of the objects of the clip before, in the frames from `start` on: by id, then by frame."""
    if found is None:
        return {}
    masks = geometry.masks_of(found.logits[:, start - found.start :])
    return {i: dict(enumerate(frames, start)) for i, frames in zip(found.ids, masks, strict=True)}


def _empty_prompts(objects: int, frames: int, geometry: Geometry) -> ObjectPrompts:
    """Prompts with room for some objects, all slots empty; numpy arrays."""
    slots = FEWEST_SLOTS
    while slots < objects:
        slots *= 2
    return ObjectPrompts(
        masks=np.zeros((1, slots, frames, *geometry.padded), bool),
        frames=np.full((1, frames), -1, np.int32),
        valid=np.zeros((1, slots), bool),
        is_point=np.zeros((1, slots), bool),
        points=np.zeros((1, slots, 2), np.float32),
        point_frames=np.zeros((1, slots), np.int32),
    )
