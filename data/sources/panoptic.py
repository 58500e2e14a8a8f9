"""Reader of datasets in the COCO panoptic format: a JSON, a PNG of segment ids per image, and the images.

Only the JSON is read when a source is made; images are read one at a time, in any order.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data import categories
from data.errors import BadRecordError, DataError

UNLABELLED = -100  # semantic class of pixels that are not trained on

_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what PIL raises for broken files


@dataclasses.dataclass(frozen=True)
class PanopticLayout:
    """Where one dataset keeps its files, and its quirks.

    `image_name` turns the JSON's file name into a path below `images`. `resize_before`: (short side, limit of the long side)
    in pixels of a resize that comes before everything else, or None.
    """

    dataset: str
    images: Path
    annotations: Path
    segment_maps: Path
    image_name: Callable[[str], str] = str
    resize_before: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True)
class PanopticRecord:
    """One image with its s segments.

    image: uint8 [h, w, 3], RGB. segment_map: int16 [h, w], 1 + position of the segment in the lists below, 0 unlabelled.
    ids: int32 [s], of the dataset's PNG. classes: int16 [s], class index or UNLABELLED. isthing: bool [s].
    """

    name: str
    image: np.ndarray
    segment_map: np.ndarray
    ids: np.ndarray
    classes: np.ndarray
    isthing: np.ndarray


class PanopticSource:
    """Random access to the records of one dataset that have a thing segment, in the order of the annotation file.

    `dropped_images` counts those without one. Raises `DataError` when it is made and the dataset cannot be used, and
    `BadRecordError` on access to a record that cannot be read.
    """

    def __init__(self, layout: PanopticLayout) -> None:
        self.dataset = layout.dataset
        self._layout = layout
        for folder in (layout.images, layout.segment_maps):
            _check_exists(layout.dataset, folder, folder.is_dir(), "a folder")
        _check_exists(layout.dataset, layout.annotations, layout.annotations.is_file(), "a JSON file")
        index = _read_index(layout)
        self._image_names, self._map_names, self._offsets, self._ids, self._classes = index
        known = categories.load(layout.dataset)
        self._isthing = np.array(known.isthing)
        self._ignored = np.array(known.ignored)
        self._keep_images_with_things()

    def _keep_images_with_things(self) -> None:
        things = np.concatenate([[0], np.cumsum(self._isthing[self._classes])])
        has_thing = np.diff(things[self._offsets]) > 0
        self._records = np.flatnonzero(has_thing)
        self.dropped_images = int((~has_thing).sum())
        if not len(self._records):
            raise DataError(f"{self._layout.annotations}: expected images with thing segments, found none; check the download")

    def __len__(self) -> int:
        return len(self._records)

    def image_file(self, index: int) -> str:
        """Path of a record's image."""
        return str(self._layout.images / self._image_names[self._records[index]])

    def __getitem__(self, index: int) -> PanopticRecord:
        row = self._records[index]
        image_file = Path(self.image_file(index))
        map_file = self._layout.segment_maps / self._map_names[row]
        image = _read_rgb(image_file)
        id_map = segment_ids(_read_rgb(map_file, modes=("RGB",)))
        if image.shape[:2] != id_map.shape:
            raise BadRecordError(
                str(map_file), f"expected the image's size {_size(image.shape)}, found {_size(id_map.shape)}; download it again"
            )
        span = slice(self._offsets[row], self._offsets[row + 1])
        segment_map = _positions(id_map, self._ids[span], str(map_file))
        if self._layout.resize_before:
            image, segment_map = _resize(image, segment_map, *self._layout.resize_before)
        classes = self._classes[span]
        return PanopticRecord(
            name=image_file.stem,
            image=image,
            segment_map=segment_map,
            ids=self._ids[span],
            classes=np.where(self._ignored[classes], UNLABELLED, classes).astype(np.int16),
            isthing=self._isthing[classes],
        )


def segment_ids(rgb: np.ndarray) -> np.ndarray:
    """uint8 [h, w, 3] of a panoptic PNG -> int32 [h, w]: id = R + 256 G + 65536 B."""
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    return red + (green << 8) + (blue << 16)


def _check_exists(dataset: str, path: Path, exists: bool, what: str) -> None:
    if not exists:
        raise DataError(f"{dataset}: expected {what} at {path}, found nothing; data/README.md shows the tree, check data_root")


def _read_index(layout: PanopticLayout) -> tuple[list[str], list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Image names [r], map names [r], offsets of the r images in the segments int64 [r + 1], ids int32 [s], classes int16 [s].

    Arrays rather than the JSON's objects: worker processes get a copy of them.
    """
    content = _parse(layout.annotations)
    try:
        file_of_image = {image["id"]: layout.image_name(image["file_name"]) for image in content["images"]}
        annotations = content["annotations"]
        image_names = [file_of_image[annotation["image_id"]] for annotation in annotations]
        map_names = [annotation["file_name"] for annotation in annotations]
        segments = [segment for annotation in annotations for segment in annotation["segments_info"]]
        offsets = np.cumsum([0, *(len(annotation["segments_info"]) for annotation in annotations)])
        ids = np.array([segment["id"] for segment in segments], np.int32)
        category_ids = [segment["category_id"] for segment in segments]
    except KeyError as error:
        raise DataError(
            f"{layout.annotations}: expected COCO panoptic annotations, found no {error.args[0]!r} "
            "(a key, or the id of an image); download it again"
        ) from None
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{layout.annotations}: expected COCO panoptic annotations, found {error}; download it again") from None
    return image_names, map_names, offsets, ids, _class_indices(layout, category_ids)


def _parse(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:  # also bytes that are not text
        raise DataError(f"{file}: expected JSON, found {error} (truncated?); download it again") from None
    except OSError as error:
        raise DataError(f"{file}: expected a readable file, found: {error.strerror}; check its permissions") from None
    if not isinstance(content, dict) or not content.get("annotations"):
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise DataError(
            f"{file}: expected the key 'annotations' with one entry or more, found none (of {found}); "
            "take the panoptic annotations of a split with public ground truth"
        )
    return content


def _class_indices(layout: PanopticLayout, category_ids: list[int]) -> np.ndarray:
    index_of_id = categories.load(layout.dataset).index_of_id
    unknown = sorted(set(category_ids) - set(index_of_id), key=str)
    if unknown:
        raise DataError(
            f"{layout.annotations}: expected the category ids of {layout.dataset} ({min(index_of_id)}..{max(index_of_id)}), "
            f"found {unknown[:5]}; is this another dataset's or another version's file?"
        )
    return np.array([index_of_id[category_id] for category_id in category_ids], np.int16)


def _read_rgb(file: Path, modes: tuple[str, ...] = ()) -> np.ndarray:
    """uint8 [h, w, 3]. PIL raises for truncated files, where OpenCV hands out a grey rest. `modes`: those allowed, or all."""
    try:
        with Image.open(file) as image:
            if modes and image.mode not in modes:
                raise BadRecordError(str(file), f"expected mode {' or '.join(modes)}, found {image.mode}; download it again")
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise BadRecordError(str(file), "expected an image, found no file; download it again") from None
    except _UNREADABLE as error:
        raise BadRecordError(str(file), f"expected a whole image, found: {error}; download it again") from None


def _positions(id_map: np.ndarray, ids: np.ndarray, file: str) -> np.ndarray:
    """Segment ids int32 [h, w] -> int16 [h, w], 1 + position in `ids`; id 0 stays 0 unless it is listed.

    Looks up runs of equal ids, not pixels: neighbours mostly agree.
    """
    flat = id_map.ravel()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1])
    run_ids = flat[starts]
    order = np.argsort(ids)
    sorted_ids = ids[order]
    places = np.minimum(np.searchsorted(sorted_ids, run_ids), len(ids) - 1)
    known = sorted_ids[places] == run_ids
    unknown = run_ids[~known & (run_ids != 0)]
    if unknown.size:
        found = np.unique(unknown)[:5].tolist()
        raise BadRecordError(file, f"expected the segment ids of its JSON entry, found also {found}; download it again")
    values = np.where(known, order[places] + 1, 0).astype(np.int16)
    lengths = np.diff(np.concatenate([starts, [flat.size]]))
    return np.repeat(values, lengths).reshape(id_map.shape)


def _resize(image: np.ndarray, segment_map: np.ndarray, short_side: int, long_limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Pillow's bilinear (antialiased) for the image and nearest for the map, sizes int(x + 0.5), as the original."""
    height, width = segment_map.shape
    scale = min(short_side / min(height, width), long_limit / max(height, width))
    size = int(width * scale + 0.5), int(height * scale + 0.5)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    resized_map = Image.fromarray(segment_map.astype(np.int32)).resize(size, Image.Resampling.NEAREST)
    return np.asarray(resized), np.asarray(resized_map).astype(np.int16)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
