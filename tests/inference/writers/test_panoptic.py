"""Segment ids of Cityscapes-VPS and VIPSeg are colours: one for a track, never that of another segment."""

import json

import numpy as np
import pytest
from PIL import Image

from data import categories
from tarvis_jax.inference.writers.panoptic import SegmentIds
from tarvis_jax.inference.writers.vipseg import VipsegWriter
from tests.inference.writers import drawn, truth

DATASETS = ("cityscapes_vps", "vipseg")


def channels(segment_id):
    return np.array([segment_id % 256, segment_id // 256 % 256, segment_id // 65536])


@pytest.mark.parametrize("dataset", DATASETS)
def test_stuff_has_the_colour_of_its_class(dataset):
    known = categories.load(dataset)
    ids = SegmentIds(known, "video")
    for index in np.flatnonzero(~np.array(known.isthing)):
        assert tuple(channels(ids.of(0, index))) == known.colours[index]


@pytest.mark.parametrize("dataset", DATASETS)
def test_tracks_have_colours_of_their_own_near_that_of_their_class(dataset):
    known = categories.load(dataset)
    ids = SegmentIds(known, "video")
    things = np.flatnonzero(known.isthing).tolist()
    class_of_track = {track: things[track % len(things)] for track in range(1, 40 * len(things))}
    found = {track: ids.of(track, c) for track, c in class_of_track.items()}
    assert {track: ids.of(track, c) for track, c in class_of_track.items()} == found  # for the whole video
    stuff = {ids.of(0, index) for index in np.flatnonzero(~np.array(known.isthing)).tolist()}
    assert len({*found.values()} - stuff - {0}) == len(found)
    assert all(abs(channels(found[track]) - known.colours[c]).max() <= 30 for track, c in class_of_track.items())


def test_the_first_track_of_a_class_has_its_colour_unless_stuff_has_it():
    known = categories.load("vipseg")
    car, slide = known.names.index("car"), known.names.index("Playground_slide")
    assert known.colours[car] == known.colours[slide]
    shared = {car}
    ids = SegmentIds(known, "video")
    for track, index in enumerate(np.flatnonzero(known.isthing).tolist(), start=1):
        assert (tuple(channels(ids.of(track, index))) == known.colours[index]) == (index not in shared)


def test_equal_videos_have_equal_ids_and_others_need_not():
    known = categories.load("cityscapes_vps")

    def ids_of(name):
        ids = SegmentIds(known, name)
        return [ids.of(track, 13) for track in range(1, 50)]

    assert ids_of("0005") == ids_of("0005")
    assert ids_of("0005") != ids_of("0010")


def test_frames_list_their_segments_with_areas(tmp_path):
    class_of_track = {1: 41, 2: 48}
    ids = drawn.labels()
    ids[3:] = drawn.removed(ids[3:])
    video = drawn.make_video("7_abc")
    drawn.write(VipsegWriter(), [(video, drawn.panoptic_results(ids, (0, 1), class_of_track))], tmp_path)
    (entry,) = json.loads((tmp_path / "pred.json").read_text())["annotations"]
    assert entry["video_id"] == "7_abc"
    ids_of_category = {}
    for t, frame in enumerate(entry["annotations"]):
        assert frame["file_name"] == f"{t:05d}.jpg"
        rgb = np.array(Image.open(tmp_path / "pan_pred" / "7_abc" / f"{t:05d}.png")).astype(int)
        png = rgb @ [1, 256, 65536]
        classes = truth.class_map(ids[t], (0, 1), class_of_track)
        assert [segment["category_id"] for segment in frame["segments_info"]] == np.unique(classes).tolist()
        for segment in frame["segments_info"]:
            assert segment["iscrowd"] == 0
            assert segment["area"] == (png == segment["id"]).sum()
            np.testing.assert_array_equal(png == segment["id"], classes == segment["category_id"])
            ids_of_category.setdefault(segment["category_id"], set()).add(segment["id"])
    assert [len(found) for found in ids_of_category.values()] == [1] * 4
