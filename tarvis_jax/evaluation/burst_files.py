"""Ground truth and results of BURST: JSON files of one format (its ANNOTATION_FORMAT.md), read as the official tools read them.

A file is held as it was parsed; `burst_masks` reads the masks of a sequence when it is scored.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.fields import field, shortened
from data.reading import read_json
from tarvis_jax.evaluation.burst_classes import DISTRACTORS, DROPPED, NAMES, merged

Entry = tuple[str, dict[str, Any]]  # a sequence of a file: where it stands, for messages, and its content


@dataclasses.dataclass(frozen=True)
class Truth:
    """A sequence of the ground truth. Frames are its annotated images in the order of their numbers, counted from 0."""

    name: str
    id: int
    key: tuple[str, str]  # dataset, seq_name
    entry: Entry
    height: int
    width: int
    paths: list[str]  # of the frames
    frame_of_path: dict[str, int]
    categories: dict[str, int]  # of tracks, merged; DROPPED for distractors and for tracks without masks
    negative: frozenset[int]
    not_exhaustive: frozenset[int]


@dataclasses.dataclass(frozen=True)
class GroundTruth:
    """A file of the ground truth: its sequences by their official names (split-dataset-sequence), sorted."""

    path: Path
    split: str
    sequences: dict[str, Truth]


def read_ground_truth(path: Path) -> GroundTruth:
    """Reads all_classes.json or one of its siblings; masks are not looked at."""
    content = read_json(path)
    split = field(content, "split", str, str(path))
    truths = [_truth(split, entry) for entry in _entries(path, content)]
    sequences = {truth.name: truth for truth in truths}
    if not truths:
        raise DataError(f"{path}: no sequences")
    if len(sequences) < len(truths):
        raise DataError(f"{path}: two sequences have the same dataset and seq_name")
    if len({truth.id for truth in truths}) < len(truths):
        raise DataError(f"{path}: two sequences have the same id")
    return GroundTruth(path, split, {name: sequences[name] for name in sorted(sequences)})


def _truth(split: str, entry: Entry) -> Truth:
    where, values = entry
    paths = values["annotated_image_paths"]
    order = sorted(range(len(paths)), key=[_frame_number(path, where) for path in paths].__getitem__)
    ordered = [paths[i] for i in order]
    frame_of_path = {path: frame for frame, path in enumerate(ordered)}
    if len(frame_of_path) < len(ordered):
        raise DataError(f"{where}: an image stands twice among 'annotated_image_paths'")
    return Truth(
        name=f"{split}-{values['dataset']}-{values['seq_name']}".replace("/", "-"),
        id=field(values, "id", int, where),
        key=(values["dataset"], values["seq_name"]),
        entry=entry,
        height=field(values, "height", int, where),
        width=field(values, "width", int, where),
        paths=ordered,
        frame_of_path=frame_of_path,
        categories=_track_categories(entry),
        negative=_category_ids(entry, "neg_category_ids"),
        not_exhaustive=_category_ids(entry, "not_exhaustive_category_ids"),
    )


def _category_ids(entry: Entry, key: str) -> frozenset[int]:
    where, values = entry
    listed = field(values, key, list, where)
    if not all(isinstance(category, int) for category in listed):
        raise DataError(f"{where}: expected category ids in {key!r}, found {listed!r:.60}")
    return frozenset(listed)


def _track_categories(entry: Entry) -> dict[str, int]:
    where, values = entry
    listed = field(values, "track_category_ids", dict, where)
    used = set().union(*values["segmentations"])
    missing = sorted(used - listed.keys())
    if missing:
        raise DataError(f"{where}: track {missing[0]} is missing in 'track_category_ids'")
    categories = {}
    for key in listed:
        category = field(listed, key, int, f"{where}: track_category_ids")
        categories[key] = merged(category) if key in used and category not in DISTRACTORS else DROPPED
    return categories


def _frame_number(path: str, where: str) -> int:
    """The number in an image's name: the part behind the last "_", without "frame" and the ending."""
    try:
        return int(path.replace(".jpg", "").replace(".png", "").replace("frame", "").split("_")[-1])
    except ValueError:
        raise DataError(f"{where}: expected names like frame0001.jpg in 'annotated_image_paths', found {path!r}") from None


def read_result(path: Path, split: str, *, uses_categories: bool) -> dict[tuple[str, str], list[Entry]]:
    """Sequences of a result by (dataset, seq_name); one may stand there in several parts. Masks are not looked at.

    With `uses_categories` its list of classes must not contradict BURST's.
    """
    content = read_json(path)
    if content.get("split", split) != split:
        raise DataError(f"{path}: a result of the split {content['split']!r}, but the ground truth is of {split!r}")
    if uses_categories and "categories" in content:
        _check_categories(field(content, "categories", list, str(path)), path)
    sequences: dict[tuple[str, str], list[Entry]] = {}
    for where, values in _entries(path, content):
        sequences.setdefault((values["dataset"], values["seq_name"]), []).append((where, values))
    return sequences


def _check_categories(categories: Sequence[Any], path: Path) -> None:
    for entry in categories:
        category = field(entry, "id", int, f"{path}: categories")
        if entry.get("name", NAMES.get(category)) != NAMES.get(category, entry.get("name")):
            known = f"{NAMES[category]!r} in BURST; use BURST's category ids"
            raise DataError(f"{path}: category {category} is {entry['name']!r} there, but {known}")


def _entries(path: Path, content: Mapping[str, Any]) -> list[Entry]:
    """The sequences of a file, with what all of them need."""
    entries = []
    for index, values in enumerate(field(content, "sequences", list, str(path))):
        where = f"{path}: sequences[{index}]"
        where = f"{path}: sequence {field(values, 'dataset', str, where)}/{field(values, 'seq_name', str, where)}"
        _check_images(field(values, "annotated_image_paths", list, where), field(values, "segmentations", list, where), where)
        entries.append((where, values))
    return entries


def _check_images(images: Sequence[Any], masks: Sequence[Any], where: str) -> None:
    """Raises `DataError` unless there is an object of masks for the name of each image; the masks are not looked at."""
    if len(images) != len(masks):
        raise DataError(f"{where}: {len(images)} 'annotated_image_paths', but {len(masks)} 'segmentations'; expected one each")
    if set(map(type, images)) <= {str} and set(map(type, masks)) <= {dict}:
        return
    for image, of_image in zip(images, masks, strict=True):
        if not isinstance(image, str):
            raise DataError(f"{where}: expected names of images in 'annotated_image_paths', found {shortened(image)}")
        if not isinstance(of_image, dict):
            expected = f'an object {{"track id": {{"rle"}}}} in \'segmentations\', found {shortened(of_image)}'
            raise DataError(f"{where}: image {image}: expected {expected}")
