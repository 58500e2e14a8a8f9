"""A synthetic clip from one panoptic image: the image moved differently for every frame, with its labels.

Follows the original's pretraining loader (facts of the original, section 10). Dimension letters: t frames, h w space (both are
the image size), n slots, s segments of the image.
"""

import numpy as np
from scipy import ndimage

from data import transforms
from data.sources.panoptic import UNLABELLED, PanopticRecord
from tarvis_jax.config import DataConfig

Sample = dict[str, np.ndarray]

SHORT_SIDES = (512, 544, 576)  # for images of 512; they scale with the image size
LONG_LIMIT = 1333
FULL_SIZE = 512
PADDING_GREY = 128
SHARED_CROP = frozenset({"cityscapes", "mapillary"})  # datasets whose frames are cropped at the same relative position


def make_clip(
    record: PanopticRecord, rng: np.random.Generator, config: DataConfig, *, dataset: str, task: str
) -> Sample | None:
    """One row of the batch contract, or None if no instance is left in any frame.

    images uint8 [t, h, w, 3]; instance_map uint8 [t, h, w] (slot + 1, 0 none); instance_class int32 [n] (class index + 1);
    instance_valid bool [n]; semantic_map int16 [t, h, w] (class index, -100 unlabelled); reference_frame int32 [];
    is_point bool [n]; points float32 [n, 2] (x, y in 0..1). n is `instance_slots` for vis and vps, `object_slots` for vos.

    With more instances than slots the largest over the clip are kept, in the order of the annotation. For vos the instances of
    a random reference frame are kept in random order, at most one per slot.
    """
    images, segment_maps = draw_frames(record, rng, config, shared_crop=dataset in SHARED_CROP)
    areas = np.stack([np.bincount(frame.ravel(), minlength=len(record.ids) + 1)[1:] for frame in segment_maps])
    areas *= record.isthing
    if not areas.any():
        return None
    if task == "vos":
        reference_frame = int(rng.choice(np.flatnonzero(areas.any(axis=1))))
        visible = np.flatnonzero(areas[reference_frame])
        chosen = rng.permutation(visible)[: config.object_slots]
        slots = config.object_slots
    else:
        reference_frame = 0
        chosen = _largest(areas.sum(axis=0), config.instance_slots)
        slots = config.instance_slots
    sample = _with_labels(images, segment_maps, record, chosen, slots)
    sample["reference_frame"] = np.int32(reference_frame)
    if task == "vos":
        _set_points(sample, rng, _point_probability(config))
    return sample


def draw_frames(
    record: PanopticRecord, rng: np.random.Generator, config: DataConfig, *, shared_crop: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [t, h, w, 3] and segment maps int16 [t, h, w] (as the record's), padded to the image size.

    Without augmentation all frames are the same: middle size, cropped at the centre.
    """
    if not config.augment:
        frame = _finish(record.image, record.segment_map, config, SHORT_SIDES[1], (0.5, 0.5))
        images, segment_maps = ([part] * config.clip_length for part in frame)
        return np.stack(images), np.stack(segment_maps)
    image = transforms.apply_jitter(record.image, transforms.draw_jitter(rng))
    segment_map = record.segment_map
    if rng.random() < 0.5:
        image, segment_map = (np.ascontiguousarray(part[:, ::-1]) for part in (image, segment_map))
    position = tuple(rng.random(2))
    frames = []
    for _ in range(config.clip_length):
        matrix = transforms.draw_affine(rng, *segment_map.shape)
        moved = transforms.warp(image, matrix, nearest=False)
        moved_map = transforms.warp(segment_map, matrix, nearest=True)
        own_position = position if shared_crop else tuple(rng.random(2))
        frames.append(_finish(moved, moved_map, config, rng.choice(SHORT_SIDES), own_position))
    images, segment_maps = zip(*frames, strict=True)
    return np.stack(images), np.stack(segment_maps)


def _finish(
    image: np.ndarray, segment_map: np.ndarray, config: DataConfig, short_side: int, position: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Resizes, crops and pads one frame and its map."""
    scale = config.image_size / FULL_SIZE
    shape = transforms.resized_shape(*segment_map.shape, short_side * scale, LONG_LIMIT * scale)
    size = config.image_size
    image = transforms.crop(transforms.resize(image, shape, nearest=False), size, position)
    segment_map = transforms.crop(transforms.resize(segment_map, shape, nearest=True), size, position)
    return transforms.pad(image, size, PADDING_GREY), transforms.pad(segment_map, size, 0)


def _largest(areas: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` largest areas above 0, ascending."""
    order = np.argsort(-areas, kind="stable")[:count]
    return np.sort(order[areas[order] > 0])


def _with_labels(
    images: np.ndarray, segment_maps: np.ndarray, record: PanopticRecord, chosen: np.ndarray, slots: int
) -> Sample:
    """The sample with the segments `chosen` in the first slots, in that order, and no points."""
    slot_of_segment = np.zeros(len(record.ids) + 1, np.uint8)
    slot_of_segment[chosen + 1] = np.arange(1, len(chosen) + 1)
    class_of_segment = np.concatenate([np.array([UNLABELLED], np.int16), record.classes])
    instance_class = np.zeros(slots, np.int32)
    instance_class[: len(chosen)] = record.classes[chosen] + 1
    return {
        "images": images,
        "instance_map": slot_of_segment[segment_maps],
        "instance_class": instance_class,
        "instance_valid": np.arange(slots) < len(chosen),
        "semantic_map": class_of_segment[segment_maps],
        "is_point": np.zeros(slots, bool),
        "points": np.zeros((slots, 2), np.float32),
    }


def _point_probability(config: DataConfig) -> float:
    pet = config.task_weights.get("pet", 0.0)
    return pet / (config.task_weights.get("vos", 0.0) + pet)


def _set_points(sample: Sample, rng: np.random.Generator, probability: float) -> None:
    """Makes each object of the sample one that is given by a point, with a probability."""
    sample["is_point"] = (rng.random(len(sample["is_point"])) < probability) & sample["instance_valid"]
    frame = sample["instance_map"][sample["reference_frame"]]
    for slot in np.flatnonzero(sample["is_point"]):
        sample["points"][slot] = mask_point(frame == slot + 1)


def mask_point(mask: np.ndarray) -> np.ndarray:
    """float32 [2], (x, y) in 0..1: the pixel of a mask bool [h, w] that is farthest from the rest of the image.

    Of equally far ones the nearest to the mean of the mask, by |dy| + |dx|, then the first in row-major order. Nothing lies
    beyond the image's border; in a mask that fills the image all pixels are equally far. The mask must not be empty.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = max(rows[0] - 1, 0), max(columns[0] - 1, 0)  # one pixel more: the nearest background of any mask pixel
    window = mask[top : rows[-1] + 2, left : columns[-1] + 2]
    ys, xs = np.nonzero(window)
    if not mask.all():
        distances = ndimage.distance_transform_edt(window)[ys, xs]
        farthest = distances == distances.max()
    else:
        farthest = np.ones(len(ys), bool)
    from_mean = np.abs(ys - ys.mean()) + np.abs(xs - xs.mean())
    best = np.argmin(np.where(farthest, from_mean, np.inf))
    height, width = mask.shape
    return np.array([(left + xs[best] + 0.5) / width, (top + ys[best] + 0.5) / height], np.float32)
