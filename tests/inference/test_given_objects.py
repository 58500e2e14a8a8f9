"""Objects that a user gives in files."""

import json

import numpy as np
import pytest
from PIL import Image

from tarvis_jax.errors import UserError
from tarvis_jax.inference.given_objects import read_masks, read_points


class Names:
    """Frames called 00000, 00001, ..."""

    def name(self, index):
        return f"{index:05d}"

    def index(self, name):
        return int(name) if name.isdecimal() and int(name) < 9 else None


def save(path, labels, mode="P"):
    Image.fromarray(np.asarray(labels, np.uint8)).convert(mode).save(path)


def test_masks_of_the_first_frame(tmp_path):
    labels = np.array([[0, 1, 1], [7, 255, 0]])
    Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "any_name.png")
    given = read_masks(tmp_path / "any_name.png", Names())
    assert [(x.object_id, x.frame) for x in given] == [(1, 0), (7, 0)]
    for x in given:
        np.testing.assert_array_equal(x.mask, labels == x.object_id)


def test_an_object_counts_where_it_first_appears(tmp_path):
    save(tmp_path / "00004.png", [[1, 2], [3, 0]], "L")
    save(tmp_path / "00002.png", [[0, 2], [2, 0]], "L")
    given = {x.object_id: x for x in read_masks(tmp_path, Names())}
    assert {i: x.frame for i, x in given.items()} == {1: 4, 2: 2, 3: 4}
    np.testing.assert_array_equal(given[2].mask, [[False, True], [True, False]])


def test_broken_masks_have_clear_messages(tmp_path):
    with pytest.raises(UserError, match=r"nothing.png: does not exist; expected a palette PNG"):
        read_masks(tmp_path / "nothing.png", Names())
    with pytest.raises(UserError, match=r"holds no .png files"):
        read_masks(tmp_path, Names())
    save(tmp_path / "rgb.png", np.zeros((2, 2, 3)), "RGB")
    with pytest.raises(UserError, match=r"rgb.png: expected an 8-bit PNG of ids"):
        read_masks(tmp_path / "rgb.png", Names())
    with pytest.raises(UserError, match=r"rgb.png: is named as no frame; expected a name such as 00000.png"):
        read_masks(tmp_path, Names())
    save(tmp_path / "white.png", [[0, 255]], "L")
    with pytest.raises(UserError, match=r"white.png: shows no object; expected palette values 1 to 254"):
        read_masks(tmp_path / "white.png", Names())
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(UserError, match=r"text.png: not an image"):
        read_masks(tmp_path / "text.png", Names())


def test_points(tmp_path):
    file = tmp_path / "points.json"
    file.write_text(json.dumps({"objects": [{"id": 3, "frame": 5, "x": 1.5, "y": 2}]}))
    (given,) = read_points(file)
    assert (given.object_id, given.frame, given.point, given.mask) == (3, 5, (1.5, 2), None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"objects": [', "not JSON, or cut off"),
        ("[]", "expected an object {...} at the top level, found a list"),
        ('{"objects": []}', 'expected {"objects": '),
        ('{"points": []}', 'expected {"objects": '),
        ('{"objects": [{"id": 1, "frame": 0, "x": 1}]}', r"objects\[0\]: found \['frame', 'id', 'x'\]; expected the keys"),
        ('{"objects": [{"id": 0, "frame": 0, "x": 1, "y": 1}]}', "id is 0; expected a whole number of 1 or more"),
        ('{"objects": [{"id": 1, "frame": 0.5, "x": 1, "y": 1}]}', "frame is 0.5; expected a whole number of 0 or more"),
        ('{"objects": [{"id": 1, "frame": 0, "x": "1", "y": 1}]}', "x is '1'; expected a number of pixels"),
    ],
)
def test_broken_points_have_clear_messages(tmp_path, text, message):
    file = tmp_path / "points.json"
    file.write_text(text)
    with pytest.raises(UserError, match=f"points.json: .*{message}"):
        read_points(file)
