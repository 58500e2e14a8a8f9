"""Reading the objects that a user gives: masks in palette PNGs, points in a JSON file (formats: interface, "Inference")."""

from pathlib import Path
from typing import Any

import numpy as np

from data.reading import read_ids, read_json
from data.videos.video import GivenObject
from tarvis_jax.errors import UserError
from tarvis_jax.inference.frames import Frames

VOID = 255
POINT_KEYS = {"id", "frame", "x", "y"}


def read_masks(path: Path, frames: Frames) -> list[GivenObject]:
    """The objects of a palette PNG for the first frame, or of a folder of PNGs named as the frames.

    An object counts in the first PNG, in the order of the frames, that shows it.

    Raises:
        UserError: a file that is no image of object ids, that is named as no frame, or no object at all.
    """
    given: dict[int, GivenObject] = {}
    for frame, file in _mask_files(path, frames):
        labels = read_ids(file)
        for i in np.unique(labels).tolist():
            if i not in (0, VOID) and i not in given:
                given[i] = GivenObject(i, frame, mask=labels == i)
    if not given:
        raise UserError(
            f"{path}: shows no object; expected palette values 1 to 254 (0 is background and 255 void; give a single object of "
            "a 0/255 mask the value 1)"
        )
    return list(given.values())


def _mask_files(path: Path, frames: Frames) -> list[tuple[int, Path]]:
    """(frame index, file), rising."""
    if not path.exists():
        raise UserError(f"{path}: does not exist; expected a palette PNG for the first frame, or a folder of such")
    if not path.is_dir():
        return [(0, path)]
    files = sorted(path.glob("*.png"))
    if not files:
        raise UserError(f"{path}: holds no .png files; expected palette PNGs named as the frames in which objects first appear")
    found = [(frames.index(file.stem), file) for file in files]
    for frame, file in found:
        if frame is None:
            raise UserError(f"{file}: is named as no frame; expected a name such as {frames.name(0)}.png")
    return sorted(found)


def read_points(path: Path) -> list[GivenObject]:
    """The objects of a JSON file {"objects": [{"id", "frame", "x", "y"}, ...]}.

    Raises:
        UserError: not such a file.
    """
    objects = read_json(path).get("objects")
    if not isinstance(objects, list) or not objects:
        raise UserError(f'{path}: expected {{"objects": [{{"id": 1, "frame": 0, "x": 120, "y": 80}}, ...]}} with an object')
    return [_point_object(path, i, entry) for i, entry in enumerate(objects)]


def _point_object(path: Path, position: int, entry: Any) -> GivenObject:
    where = f"{path}: objects[{position}]"
    if not isinstance(entry, dict) or set(entry) != POINT_KEYS:
        found = sorted(entry) if isinstance(entry, dict) else entry
        raise UserError(f"{where}: found {found}; expected the keys id, frame, x, y")
    for key in ("id", "frame"):
        if type(entry[key]) is not int or entry[key] < (key == "id"):
            raise UserError(f"{where}: {key} is {entry[key]!r}; expected a whole number of {int(key == 'id')} or more")
    for key in ("x", "y"):
        if isinstance(entry[key], bool) or not isinstance(entry[key], int | float):
            raise UserError(f"{where}: {key} is {entry[key]!r}; expected a number of pixels")
    return GivenObject(entry["id"], entry["frame"], point=(entry["x"], entry["y"]))
