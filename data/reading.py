"""Reading and checking of results and ground truth: id images, run-length encoded masks, JSON files.

Everything here answers a broken file by a `DataError`; nothing is guessed. The letters h, w are an image's height and width.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import DataError
from data.fields import shortened
from data.folders import listing
from data.rle import CorruptRle, measure

_ID_MODES = ("P", "L", "1")
_JSON_NAMES = {dict: "an object {...}", list: "a list [...]"}


def _decode(path: Path, modes: Sequence[str], expected: str) -> np.ndarray:
    """The pixels of a PNG of one of PIL's modes, as they are stored."""
    from PIL import Image, UnidentifiedImageError  # benchmarks of JSON files do without

    try:
        with Image.open(path, formats=("PNG",)) as image:  # the ids in a JPEG are blurred
            mode, pixels = image.mode, np.asarray(image)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: not an image in PNG format, broken or cut off") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a folder, expected {expected}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # whatever PIL says of a broken file
        raise DataError(f"{path}: not an image in PNG format, broken or cut off ({error})") from None
    if mode not in modes:
        raise DataError(f"{path}: expected {expected}, found an image of mode {mode}")
    return pixels


def read_ids(path: Path) -> np.ndarray:
    """Palette indices (or grey values) of an 8-bit PNG, uint8 [h, w]. The colours of the palette do not matter."""
    expected = "an 8-bit PNG of ids (mode P or L; not their colours: save palette indices)"
    return _decode(path, _ID_MODES, expected).astype(np.uint8, copy=False)


def read_foreground(path: Path) -> np.ndarray:
    """The mask of a single object, uint8 [h, w]: 1 where the PNG is not black. Its colours must be grey or palette indices."""
    pixels = _decode(path, (*_ID_MODES, "RGB", "RGBA"), "a PNG with one object, not black (0) where it is")
    if pixels.ndim == 3:
        if (pixels[..., :1] != pixels[..., 1:3]).any():
            raise DataError(f"{path}: expected a mask of one object (grey or palette indices), found an image in colour")
        pixels = pixels[..., 0]
    return (pixels != 0).astype(np.uint8)


def read_rgb_ids(path: Path) -> np.ndarray:
    """Segment ids R + 256 G + 65536 B of a colour PNG, int32 [h, w]."""
    rgb = _decode(path, ("RGB", "RGBA"), "an RGB PNG of ids (R + 256 G + 65536 B)").astype(np.int32)
    return rgb[..., 0] + (rgb[..., 1] << 8) + (rgb[..., 2] << 16)


def read_json(path: Path, kind: type = dict) -> Any:
    """Content of a JSON file whose top level is of the kind `dict` or `list`."""
    try:
        content = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        inside = listing(sorted(inside.name for inside in Path(path).iterdir()))
        raise DataError(f"{path}: a folder, expected a JSON file; found {inside}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({os.strerror(error.errno)})") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DataError(f"{path}: not JSON, or cut off ({error.msg} at {place})") from None
    except (ValueError, RecursionError):  # no text; a number of thousands of digits; thousands of brackets
        raise DataError(f"{path}: not JSON") from None
    if not isinstance(content, kind):
        found = _JSON_NAMES.get(type(content), type(content).__name__)
        raise DataError(f"{path}: expected {_JSON_NAMES[kind]} at the top level, found {found}")
    return content


def check_rle(rle: Any, height: int, width: int, where: str) -> None:
    """Raises `DataError` unless `rle` is a compressed COCO RLE {"size": [h, w], "counts": string} of this size.

    `where` names the file and the mask, for the message.
    """
    if not isinstance(rle, dict) or "counts" not in rle or "size" not in rle:
        raise DataError(f'{where}: expected an RLE {{"size", "counts"}}, found {shortened(rle)}')
    if not isinstance(rle["size"], list | tuple) or list(rle["size"]) != [height, width]:
        raise DataError(f"{where}: expected an RLE of size [{height}, {width}], found {shortened(rle['size'])}")
    if not isinstance(rle["counts"], str | bytes):
        raise DataError(f"{where}: expected compressed RLE counts (a string), found {shortened(rle['counts'])}")
    try:
        measure([rle["counts"]], height, width)
    except CorruptRle as error:
        raise DataError(f"{where}: {error}") from None
