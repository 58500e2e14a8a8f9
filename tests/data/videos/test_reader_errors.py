"""What is missing or broken is named in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.errors import DataError
from data.videos.benchmark import BENCHMARKS, open_benchmark
from tests.data.videos.test_readers import edit_json

BURST_JSON = "burst/annotations/val/first_frame_annotations.json"
YOUTUBE_JSON = "youtube_vis/valid/instances.json"
VIPSEG_JSON = "vipseg/panoptic_gt_VIPSeg_val.json"
CITYSCAPES_JSON = "cityscapes_vps/im_all_info_val_city_vps.json"


def error_of(root: Path, dataset: str, split: str = "val") -> str:
    """The message of the error that opening a benchmark and reading its given objects ends in."""
    with pytest.raises(DataError) as error:
        for video in open_benchmark(dataset, root, split):
            video.given()
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("dataset", BENCHMARKS)
def test_a_missing_dataset_is_named(tmp_path: Path, dataset: str) -> None:
    assert error_of(tmp_path, dataset).startswith(f"{tmp_path / dataset}: no such folder")


def test_unknown_datasets_and_splits_list_those_that_exist(drawn_root: Path) -> None:
    assert "did you mean davis" in error_of(drawn_root, "davs")
    for dataset, known in (("davis", "val"), ("burst", "test, val"), ("kitti_step", "test, val"), ("vipseg", "val")):
        assert error_of(drawn_root, dataset, "vall").endswith(f"known: {known}")


@pytest.mark.parametrize(
    "path",
    [
        "davis/ImageSets/2017",
        "davis/JPEGImages/480p/toy000",
        "davis/Annotations/480p/toy001",
        "davis/JPEGImages/480p/toy001/00000.jpg",
        "burst/annotations/val",
        "burst/frames/val",
        "burst/frames/val/Toy/toy001/frame0002.jpg",
        "youtube_vis/valid",
        "youtube_vis/valid/JPEGImages/toy001/00035.jpg",
        "ovis/annotations_valid.json",
        "ovis/valid/toy000/img_0000018.jpg",
        "kitti_step/training",
        "kitti_step/training/image_02/0006",
        CITYSCAPES_JSON,
        "cityscapes_vps/panoptic_im_val_city_vps.json",
        "cityscapes_vps/val/img_all",
        "cityscapes_vps/val/img_all/toytown_000001_000009_leftImg8bit.png",
        VIPSEG_JSON,
        "vipseg/images",
        "vipseg/images/1_toy",
        "vipseg/images/0_toy/00000003.jpg",
    ],
)
def test_what_is_missing_is_named(root: Path, path: str) -> None:
    target = root / path
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    assert error_of(root, path.split("/")[0]).startswith(str(target))


def test_frames_that_are_not_annotated_may_be_missing(root: Path) -> None:
    """Of Cityscapes-VPS only every 5th is segmented."""
    before = open_benchmark("cityscapes_vps", root, "val")
    (root / "cityscapes_vps" / "val" / "img_all" / "toytown_000001_000008_leftImg8bit.png").unlink()
    after = open_benchmark("cityscapes_vps", root, "val")
    assert [video.frames for video in after] == [video.frames for video in before]


def sequence(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["sequences"][0].__setitem__(key, value)


def first_mask(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(content: dict[str, Any]) -> None:
        masks = next(masks for masks in content["sequences"][0]["segmentations"] if masks)
        next(iter(masks.values()))[key] = value

    return edit


@pytest.mark.parametrize(
    ("file", "edit", "message"),
    [
        (BURST_JSON, lambda content: content.pop("sequences"), "'sequences' is missing"),
        (BURST_JSON, lambda content: content["sequences"].clear(), "no sequences"),
        (BURST_JSON, sequence("fps", "6"), "expected a whole number as 'fps'"),
        (BURST_JSON, sequence("fps", 0), "expected 1 or more as 'fps', found 0"),
        (BURST_JSON, sequence("segmentations", []), "for each of 'annotated_image_paths'"),
        (BURST_JSON, sequence("segmentations", [{}] * 5), "no object is given"),
        (BURST_JSON, sequence("all_image_paths", ["frame0001.jpg"]), "frame0007.jpg is not among 'all_image_paths'"),
        (BURST_JSON, first_mask("rle", "<"), "RLE counts cover"),
        (YOUTUBE_JSON, lambda content: content["videos"].clear(), "no videos"),
        (YOUTUBE_JSON, lambda content: content["videos"][1].pop("height"), r"videos\[1\]: the key 'height' is missing"),
        (
            YOUTUBE_JSON,
            lambda content: content["videos"][0].update(file_names=[]),
            r"videos\[0\]: expected names of image files",
        ),
        (VIPSEG_JSON, lambda content: content["videos"][0]["images"].clear(), "video 0_toy has no images"),
        (VIPSEG_JSON, lambda content: content["videos"][0]["images"][2].pop("file_name"), r"images\[2\]: .*'file_name'"),
        (CITYSCAPES_JSON, lambda content: content["images"].clear(), "no images"),
        (CITYSCAPES_JSON, lambda content: content["images"][4].update(file_name="x.png"), "x.png is not among the annotated"),
    ],
)
def test_a_malformed_json_is_an_error(root: Path, file: str, edit: Callable[[dict[str, Any]], None], message: str) -> None:
    edit_json(root / file, edit)
    with pytest.raises(DataError, match=message) as error:
        for video in open_benchmark(file.split("/")[0], root, "val"):
            video.given()
    assert str(root / file) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", [BURST_JSON, YOUTUBE_JSON, VIPSEG_JSON, CITYSCAPES_JSON])
def test_a_truncated_json_is_an_error(root: Path, file: str) -> None:
    content = (root / file).read_bytes()
    (root / file).write_bytes(content[: len(content) // 2])
    assert error_of(root, file.split("/")[0]).startswith(f"{root / file}: not JSON")


def test_davis_first_annotation(root: Path) -> None:
    file = root / "davis" / "Annotations" / "480p" / "toy000" / "00000.png"
    with Image.open(file) as image:
        size = image.size
    Image.fromarray(np.zeros(size[::-1], np.uint8)).save(file)
    assert "expected palette indices of objects" in error_of(root, "davis")
    Image.new("RGB", size).save(file)
    assert "expected an 8-bit PNG of ids" in error_of(root, "davis")
    file.write_bytes(b"")
    assert error_of(root, "davis").startswith(f"{file}: cannot be read as an image")
    (root / "davis" / "ImageSets" / "2017" / "val.txt").write_text("\n")
    assert "val.txt: expected a sequence a line" in error_of(root, "davis")
