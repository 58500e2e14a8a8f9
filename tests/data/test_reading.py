"""Reading of images, RLEs and JSON: what is right is read exactly, everything else is one line."""

import json

import numpy as np
import pytest
from PIL import Image

from data import reading
from data.errors import DataError
from tests.evaluation.davis_folders import save_ids


@pytest.fixture
def ids():
    return np.random.default_rng(0).integers(0, 256, (7, 11)).astype(np.uint8)


@pytest.mark.parametrize("palette", [True, False])
def test_ids_are_indices_not_colours(tmp_path, ids, palette):
    save_ids(tmp_path / "a.png", ids, palette)
    found = reading.read_ids(tmp_path / "a.png")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, ids)


def test_two_colours(tmp_path, ids):
    Image.fromarray(ids > 100).save(tmp_path / "a.png")
    np.testing.assert_array_equal(reading.read_ids(tmp_path / "a.png"), ids > 100)


def test_rgb_ids(tmp_path):
    ids = np.random.default_rng(1).integers(0, 2**24, (6, 9))
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    np.testing.assert_array_equal(reading.read_rgb_ids(tmp_path / "a.png"), ids)


@pytest.mark.parametrize("reader", [reading.read_ids, reading.read_rgb_ids, reading.read_foreground])
def test_broken_images(tmp_path, ids, reader):
    """Whatever happens to a file's bytes, the error is ours."""
    rng = np.random.default_rng(2)
    path = tmp_path / "a.png"
    save_ids(path, ids)
    whole = path.read_bytes()
    for _ in range(300):
        broken = bytearray(whole)
        for position in rng.integers(0, len(broken), 3):
            broken[position] = rng.integers(256)
        path.write_bytes(broken[: rng.integers(len(broken))])
        with pytest.raises(DataError, match=r"a\.png: "):
            reader(path)
    path.unlink()
    with pytest.raises(DataError, match=r"a\.png: no such file"):
        reader(path)


@pytest.mark.parametrize("file_format", ["JPEG", "GIF", "TIFF"])
def test_other_formats_are_no_ids(tmp_path, ids, file_format):
    Image.fromarray(ids).save(tmp_path / "a.png", file_format)
    with pytest.raises(DataError, match=r"a\.png: not an image in PNG format"):
        reading.read_ids(tmp_path / "a.png")


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(DataError, match=r"a folder, expected an 8-bit PNG"):
        reading.read_ids(tmp_path)


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        ("", dict, "cut off"),
        ('{"a": [1, 2', dict, r"cut off .* line 1, column 12"),
        ("[]", dict, r"expected an object {...} at the top level, found a list"),
        ("{}", list, r"expected a list \[...\] at the top level, found an object"),
        ("3", dict, "found int"),
        ("[" * 100_000, list, "not JSON"),
        (b"\xff\xfe\x00{", dict, "not JSON"),
        ("[" + "9" * 6000 + "]", list, "not JSON"),
    ],
)
def test_broken_json(tmp_path, content, kind, reason):
    path = tmp_path / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=rf"a\.json: .*{reason}"):
        reading.read_json(path, kind)


def test_json_is_read(tmp_path):
    (tmp_path / "a.json").write_text('[1, {"b": null}]')
    assert reading.read_json(tmp_path / "a.json", list) == [1, {"b": None}]
    with pytest.raises(DataError, match="no such file"):
        reading.read_json(tmp_path / "b.json")
    with pytest.raises(DataError, match=r"a folder, expected a JSON file; found a\.json"):
        reading.read_json(tmp_path)


@pytest.mark.parametrize(
    ("rle", "reason"),
    [
        (None, "expected an RLE"),
        ({"counts": "l0"}, "expected an RLE"),
        ({"size": [4, 3], "counts": "<"}, r"expected an RLE of size \[3, 4\], found \[4, 3\]"),
        ({"size": 12, "counts": "<"}, "found 12"),
        ({"size": [3, 4], "counts": [12]}, r"compressed RLE counts \(a string\), found \[12\]"),
        ({"size": [3, 4], "counts": ""}, "empty"),
        ({"size": [3, 4], "counts": "é"}, "not ASCII"),
        ({"size": [3, 4], "counts": "~"}, "a character outside"),
        ({"size": [3, 4], "counts": "P"}, "end within a number"),
        ({"size": [3, 4], "counts": "P" * 20 + "0"}, "a number is too long"),
        ({"size": [3, 4], "counts": "@L"}, "negative"),
        ({"size": [3, 4], "counts": ";"}, "cover 11 pixels, expected 12"),
    ],
)
def test_reasons(rle, reason):
    with pytest.raises(DataError, match=f"^track 3: .*{reason}"):
        reading.check_rle(rle, 3, 4, "track 3")


def test_numbers_are_exact(tmp_path):
    value = [0.1 + 0.2, float("nan")]
    (tmp_path / "a.json").write_text(json.dumps(value))
    found = reading.read_json(tmp_path / "a.json", list)
    assert found[0] == value[0] and np.isnan(found[1])
