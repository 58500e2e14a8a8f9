"""The readers give what the files say, seen from the files themselves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.errors import DataError
from data.videos.benchmark import open_benchmark
from data.videos.kitti_step import VAL_SEQUENCES
from tests.data.videos.conftest import VIDEOS


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def edit_json(path: Path, edit: Any) -> None:
    content = read_json(path)
    edit(content)
    path.write_text(json.dumps(content))


def read_image(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    ("dataset", "count"),
    [("davis", 18), ("youtube_vis", 18), ("ovis", 18), ("kitti_step", 18), ("cityscapes_vps", 6), ("vipseg", 18)],
)
def test_all_frames_are_read_and_reported(drawn_root: Path, dataset: str, count: int) -> None:
    videos = open_benchmark(dataset, drawn_root, "val")
    assert len(videos) == len({video.name for video in videos}) == VIDEOS
    for video in videos:
        assert len(video.frames) == len(set(video.frames)) == count
        assert list(video.frames) == sorted(video.frames)
        assert video.reported == tuple(range(count))
        assert all(read_image(frame).shape == (*video.size, 3) for frame in video.frames)


@pytest.mark.parametrize("dataset", ["youtube_vis", "ovis", "kitti_step", "cityscapes_vps", "vipseg"])
def test_nothing_is_given_where_things_are_to_be_found(drawn_root: Path, dataset: str) -> None:
    assert all(video.given() == [] for video in open_benchmark(dataset, drawn_root, "val"))


def test_davis_gives_the_objects_of_the_first_annotation(root: Path) -> None:
    names = ["toy001", "toy000"]
    (root / "davis" / "ImageSets" / "2017" / "val.txt").write_text("\n".join(names))
    first = root / "davis" / "Annotations" / "480p" / "toy000" / "00000.png"
    with Image.open(first) as image:
        image.putpixel((0, 0), 255)  # void
        image.save(first)
    videos = open_benchmark("davis", root, "val")
    assert [video.name for video in videos] == names
    for video in videos:
        ids = read_image(root / "davis" / "Annotations" / "480p" / video.name / "00000.png")
        given = video.given()
        assert {x.object_id for x in given} == set(np.unique(ids).tolist()) - {0, 255}
        assert all(x.frame == 0 and x.point is None for x in given)
        for x in given:
            np.testing.assert_array_equal(x.mask, ids == x.object_id)
    with pytest.raises(DataError, match="masks, not by points"):
        videos[0].given(by="point")


def test_davis_needs_no_more_than_the_first_annotation(root: Path) -> None:
    """As in test-dev. The result has the size of the annotation."""
    folder = root / "davis" / "Annotations" / "480p" / "toy000"
    before = open_benchmark("davis", root, "val")[0]
    for file in sorted(folder.iterdir())[1:]:
        file.unlink()
    (root / "davis" / "ImageSets" / "2017" / "test-dev.txt").write_text("toy000\n")
    (after,) = open_benchmark("davis", root, "test-dev")
    assert after == before


# Places of the frames of a second that are segmented, by hand from facts 12: 4 between two annotated ones at 6 frames a second,
# 10 at 24 and 30.
PLACES = {
    1: [0],
    2: [0],
    3: [0, 2],  # 3 / 2, rounded half to even
    6: [0, 1, 2, 4, 5],
    24: [0, 2, 4, 7, 9, 11, 13, 15, 17, 20, 22],
    30: [0, 3, 5, 8, 11, 14, 16, 19, 22, 25, 27],
}


@pytest.mark.parametrize("fps", PLACES)
def test_burst_segments_frames_between_annotated_ones(root: Path, fps: int) -> None:
    """A sequence of two and a half seconds, whose first annotated frame shows no object yet."""
    every = [f"frame{index:04d}.jpg" for index in range(5 * fps // 2 + 1)]
    annotated = [0, fps, 2 * fps]

    def edit(content: dict[str, Any]) -> None:
        entry = content["sequences"][0]
        masks = next(frame for frame in entry["segmentations"] if frame)
        entry |= {"fps": fps, "all_image_paths": every, "annotated_image_paths": [every[index] for index in annotated]}
        entry["segmentations"] = [{}, masks, {}]
        content["sequences"] = [entry]

    edit_json(root / "burst" / "annotations" / "val" / "first_frame_annotations.json", edit)
    folder = root / "burst" / "frames" / "val" / "Toy" / "toy000"
    for name in every:
        (folder / name).touch()
    (video,) = open_benchmark("burst", root, "val")
    expected = [index for index in range(fps, len(every)) if index % fps in PLACES[fps]]
    assert [frame.name for frame in video.frames] == [every[index] for index in expected]
    assert [expected[index] for index in video.reported] == annotated[1:]
    assert {x.frame for x in video.given()} == {0}


def test_burst_gives_masks_or_points_where_tracks_begin(drawn_root: Path) -> None:
    folder = drawn_root / "burst" / "annotations" / "val"
    every = read_json(folder / "all_classes.json")["sequences"]
    first = read_json(folder / "first_frame_annotations.json")["sequences"]
    videos = open_benchmark("burst", drawn_root, "val")
    assert [video.name for video in videos] == [f"{entry['dataset']}/{entry['seq_name']}" for entry in every]
    for video, entry, first_entry in zip(videos, every, first, strict=True):
        assert video.entry == first_entry
        assert video.size == (entry["height"], entry["width"])
        assert [video.frames[index].name for index in video.reported] == entry["annotated_image_paths"]
        by_mask, by_point = video.given(by="mask"), video.given(by="point")
        assert [x.object_id for x in by_mask] == [x.object_id for x in by_point]
        assert {str(x.object_id) for x in by_mask} == entry["track_category_ids"].keys()
        for masked, pointed in zip(by_mask, by_point, strict=True):
            key = str(masked.object_id)
            present = [
                path for path, masks in zip(entry["annotated_image_paths"], entry["segmentations"], strict=True) if key in masks
            ]
            assert video.frames[masked.frame].name == video.frames[pointed.frame].name == present[0]
            assert (masked.point, pointed.mask) == (None, None)
            x, y = pointed.point
            assert masked.mask.shape == video.size
            assert masked.mask[int(y), int(x)]


def test_burst_reads_the_published_format(shared: Path, tmp_path: Path) -> None:
    """The sequences of the reference set; their images are only looked up."""
    source = shared / "evaluation" / "burst" / "burstA" / "gt" / "first_frame_annotations.json"
    target = tmp_path / "burst" / "annotations" / "val" / source.name
    target.parent.mkdir(parents=True)
    target.write_bytes(source.read_bytes())
    entries = read_json(source)["sequences"]
    for entry in entries:
        folder = tmp_path / "burst" / "frames" / "val" / entry["dataset"] / entry["seq_name"]
        folder.mkdir(parents=True)
        for name in entry["all_image_paths"]:
            (folder / name).touch()
    for video, entry in zip(open_benchmark("burst", tmp_path, "val"), entries, strict=True):
        given = video.given(by="point")
        tracks = [int(key) for masks in entry["segmentations"] for key in masks]
        assert sorted(x.object_id for x in given) == sorted(tracks)
        assert min(x.frame for x in given) == 0
        by_mask = {x.object_id: x.mask for x in video.given()}
        assert all(by_mask[x.object_id][int(x.point[1]), int(x.point[0])] for x in given)


@pytest.mark.parametrize(
    ("dataset", "listed", "images"),
    [("youtube_vis", "valid/instances.json", "valid/JPEGImages"), ("ovis", "annotations_valid.json", "valid")],
)
def test_lists_of_videos_are_followed(drawn_root: Path, dataset: str, listed: str, images: str) -> None:
    content = read_json(drawn_root / dataset / listed)
    assert "annotations" not in content  # as published
    videos = open_benchmark(dataset, drawn_root, "valid")
    for video, entry in zip(videos, content["videos"], strict=True):
        assert video.entry == entry
        assert video.size == (entry["height"], entry["width"])
        assert [str(frame) for frame in video.frames] == [
            str(drawn_root / dataset / images / name) for name in entry["file_names"]
        ]


def test_kitti_step_has_nine_sequences(root: Path) -> None:
    """Without ground truth all of them are expected; the test split has what is there."""
    folder = root / "kitti_step"
    assert [video.name for video in open_benchmark("kitti_step", root, "val")] == list(VAL_SEQUENCES[:VIDEOS])
    (folder / "panoptic_maps").rename(folder / "elsewhere")
    with pytest.raises(DataError, match=f"image_02/{VAL_SEQUENCES[VIDEOS]}: expected a folder"):
        open_benchmark("kitti_step", root, "val")
    (folder / "training").rename(folder / "testing")
    assert [video.name for video in open_benchmark("kitti_step", root, "test")] == list(VAL_SEQUENCES[:VIDEOS])


def test_cityscapes_vps_keeps_every_fifth_frame(drawn_root: Path) -> None:
    folder = drawn_root / "cityscapes_vps"
    annotated = [entry["id"] for entry in read_json(folder / "panoptic_im_val_city_vps.json")["images"]]
    videos = open_benchmark("cityscapes_vps", drawn_root, "val")
    assert [video.name for video in videos] == ["0005", "0015"]
    assert [image_id for video in videos for image_id in video.entry] == annotated == sorted(annotated)
    for video in videos:
        numbers = [int(frame.name.split("_")[2]) for frame in video.frames]
        assert numbers == [4, 9, 14, 19, 24, 29]  # from 0
        names = [image_id.split("_", 2)[2] + "_leftImg8bit.png" for image_id in video.entry]
        assert [frame.name for frame in video.frames] == names


def test_vipseg_reads_the_jpgs_of_listed_pngs(drawn_root: Path) -> None:
    content = read_json(drawn_root / "vipseg" / "panoptic_gt_VIPSeg_val.json")
    videos = open_benchmark("vipseg", drawn_root, "val")
    assert [video.name for video in videos] == (drawn_root / "vipseg" / "val.txt").read_text().split()
    for video, entry in zip(videos, content["videos"], strict=True):
        assert video.entry == entry
        assert [frame.name for frame in video.frames] == [image["file_name"].replace("png", "jpg") for image in entry["images"]]
