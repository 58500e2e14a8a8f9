import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data import categories
from data.errors import BadRecordError, DataError
from data.sources import cityscapes, mapillary, open_sources
from data.sources.panoptic import UNLABELLED, PanopticSource

COCO_JSON = Path("coco/annotations/panoptic_train2017.json")


@pytest.fixture
def root(toy_root: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(toy_root, tmp_path / "copy"))


def open_coco(root: Path) -> PanopticSource:
    return open_sources(str(root), ["coco"])["coco"]


def edit_json(file: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def read(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image)


def image_file(root: Path, index: int = 0) -> Path:
    return sorted((root / "coco" / "train2017").iterdir())[index]


def map_file(root: Path, index: int = 0) -> Path:
    return sorted((root / "coco" / "annotations" / "panoptic_train2017").iterdir())[index]


def test_records_agree_with_the_files(toy_root: Path) -> None:
    source = open_coco(toy_root)
    content = json.loads((toy_root / COCO_JSON).read_text())
    category_ids = categories.load("coco").ids
    assert len(source) == len(content["annotations"]) == 24
    assert source.dropped_images == 0
    for index in (0, 7, 23):
        record = source[index]
        annotation = content["annotations"][index]
        rgb = read(map_file(toy_root, index)).astype(int)
        ids = rgb @ [1, 256, 65536]
        assert record.image.dtype == np.uint8
        assert record.image.shape == (*ids.shape, 3)
        for position, segment in enumerate(annotation["segments_info"]):
            assert record.ids[position] == segment["id"]
            assert category_ids[record.classes[position]] == segment["category_id"]
            assert record.isthing[position] == (segment["category_id"] <= 90)
            np.testing.assert_array_equal(record.segment_map == position + 1, ids == segment["id"])


def test_unlabelled_pixels_are_zero(root: Path) -> None:
    rgb = read(map_file(root)).copy()
    rgb[:5, :7] = 0
    Image.fromarray(rgb).save(map_file(root))
    segment_map = open_coco(root)[0].segment_map
    assert (segment_map[:5, :7] == 0).all()
    assert (segment_map == 0).sum() == 35


def test_images_without_things_are_dropped(root: Path) -> None:
    def only_sky(content: dict[str, Any]) -> None:
        for segment in content["annotations"][1]["segments_info"]:
            segment["category_id"] = 187

    edit_json(root / COCO_JSON, only_sky)
    source = open_coco(root)
    assert (len(source), source.dropped_images) == (23, 1)
    assert source[1].name == image_file(root, 2).stem


def remove_key(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.pop(key)


def set_category(content: dict[str, Any]) -> None:
    content["annotations"][3]["segments_info"][0]["category_id"] = 12345


def without_annotations(content: dict[str, Any]) -> None:
    content["annotations"] = []


def without_things(content: dict[str, Any]) -> None:
    for annotation in content["annotations"]:
        annotation["segments_info"] = [part for part in annotation["segments_info"] if part["category_id"] > 90]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (remove_key("annotations"), "expected the key 'annotations'"),
        (without_annotations, "expected the key 'annotations' with one entry or more, found none"),
        (remove_key("images"), "found no 'images'"),
        (lambda content: content["annotations"][0].pop("segments_info"), "found no 'segments_info'"),
        (lambda content: content["images"].pop(0), "found no 1 "),
        (lambda content: content["annotations"].__setitem__(0, 5), "expected COCO panoptic annotations"),
        (set_category, r"category ids of coco \(1..200\), found \[12345\]"),
        (without_things, "expected images with thing segments, found none"),
    ],
)
def test_a_malformed_json_is_an_error(root: Path, edit: Callable[[dict[str, Any]], None], message: str) -> None:
    edit_json(root / COCO_JSON, edit)
    with pytest.raises(DataError, match=message) as error:
        open_coco(root)
    assert str(root / COCO_JSON) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_truncated_json_is_an_error(root: Path) -> None:
    content = (root / COCO_JSON).read_bytes()
    for kept in (0, 1, len(content) // 2, len(content) - 1):
        (root / COCO_JSON).write_bytes(content[:kept])
        with pytest.raises(DataError, match=r"expected JSON, found .*truncated.*download it again"):
            open_coco(root)


@pytest.mark.parametrize("missing", ["", "coco", "coco/train2017", str(COCO_JSON), "coco/annotations/panoptic_train2017"])
def test_what_is_missing_is_named(root: Path, missing: str) -> None:
    path = root / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DataError, match=r"found nothing; data/README.md") as error:
        open_coco(root)
    assert str(path) in str(error.value)


def test_an_unknown_dataset_says_what_exists(toy_root: Path) -> None:
    with pytest.raises(DataError, match="'cocoa'"):
        open_sources(str(toy_root), ["cocoa"])


def truncate(file: Path, part: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(part * len(content))])


def shrink(file: Path) -> None:
    with Image.open(file) as image:
        smaller = image.resize((image.width - 1, image.height), Image.Resampling.NEAREST)
    smaller.save(file)


def add_id(file: Path) -> None:
    rgb = read(file).copy()
    rgb[3, 4] = (1, 2, 3)
    Image.fromarray(rgb).save(file)


def to_grey(file: Path) -> None:
    with Image.open(file) as image:
        grey = image.convert("L")
    grey.save(file)


@pytest.mark.parametrize(
    ("locate", "spoil", "reason"),
    [
        (image_file, lambda file: truncate(file, 0.98), "expected a whole image"),
        (image_file, lambda file: truncate(file, 0.5), "expected a whole image"),
        (image_file, lambda file: truncate(file, 0.01), "expected a whole image"),
        (image_file, lambda file: truncate(file, 0), "expected a whole image"),
        (image_file, Path.unlink, "found no file"),
        (map_file, lambda file: truncate(file, 0.9), "expected a whole image"),
        (map_file, lambda file: truncate(file, 0.1), "expected a whole image"),
        (map_file, Path.unlink, "found no file"),
        (map_file, shrink, "expected the image's size"),
        (map_file, add_id, rf"found also \[{1 + 2 * 256 + 3 * 65536}\]"),
        (map_file, to_grey, "expected mode RGB, found L"),
    ],
)
def test_a_bad_record_names_its_file(
    root: Path, locate: Callable[[Path, int], Path], spoil: Callable[[Path], None], reason: str
) -> None:
    file = locate(root, 4)
    spoil(file)
    source = open_coco(root)
    source[3], source[5]  # the others are still good
    with pytest.raises(BadRecordError, match=reason) as error:
        source[4]
    assert error.value.file == str(file)
    assert "\n" not in str(error.value)


def write_dataset(
    annotations: Path, image: Path, map_name: str, json_name: str, segments: list[tuple[int, int]], size: int
) -> None:
    """One image; the segments (id, category) are vertical stripes."""
    maps = annotations.with_suffix("") if not map_name.startswith("same/") else annotations.parent
    for folder in (annotations.parent, image.parent, maps):
        folder.mkdir(parents=True, exist_ok=True)
    ids = np.repeat([part[0] for part in segments], size)[None].repeat(2 * size, 0)
    Image.fromarray(np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)).save(maps / Path(map_name).name)
    Image.fromarray(np.full((*ids.shape, 3), 90, np.uint8)).save(image)
    content = {
        "images": [{"id": "a", "file_name": json_name}],
        "annotations": [
            {
                "image_id": "a",
                "file_name": Path(map_name).name,
                "segments_info": [{"id": number, "category_id": category} for number, category in segments],
            }
        ],
    }
    annotations.write_text(json.dumps(content))


def test_cityscapes_layout_and_ignored_class(tmp_path: Path) -> None:
    root = tmp_path / "cityscapes"
    write_dataset(
        root / "gtFine" / "cityscapes_panoptic_train.json",
        root / "leftImg8bit" / "train" / "aachen" / "aachen_000000_000019_leftImg8bit.png",
        "aachen_000000_000019_gtFine_panoptic.png",
        "aachen_000000_000019_gtFine_leftImg8bit.png",
        [(7, 7), (1000, 0), (26001, 26)],
        size=8,
    )
    record = cityscapes.open_source(tmp_path)[0]
    assert record.classes.tolist() == [7, UNLABELLED, 26]
    assert record.isthing.tolist() == [False, False, True]
    assert record.image.shape == (16, 24, 3)


def test_mapillary_layout_and_size(tmp_path: Path) -> None:
    root = tmp_path / "mapillary" / "training"
    write_dataset(
        root / "panoptic" / "panoptic_2018.json",
        root / "images" / "x.jpg",
        "same/x.png",
        "x.jpg",
        [(9, 55), (70000, 1), (12, 13)],
        size=300,
    )
    record = mapillary.open_source(tmp_path)[0]
    assert record.image.shape == (800, 1200, 3)  # 600 x 900 before
    assert record.segment_map.shape == (800, 1200)
    assert [record.segment_map[0, column] for column in (5, 399, 401, 799, 801)] == [1, 1, 2, 2, 3]
    assert record.classes.tolist() == [54, 0, 12]
    assert record.isthing.tolist() == [True, True, False]


def test_ade20k_layout(tmp_path: Path) -> None:
    root = tmp_path / "ade20k"
    image = root / "images" / "training" / "ADE_train_00000001.jpg"
    write_dataset(root / "ade20k_panoptic_train.json", image, "ADE_train_00000001.png", image.name, [(5, 0), (600, 12)], size=8)
    record = open_sources(str(tmp_path), ["ade20k"])["ade20k"][0]
    assert record.name == "ADE_train_00000001"
    assert record.classes.tolist() == [0, 12]
    assert record.isthing.tolist() == [False, True]
