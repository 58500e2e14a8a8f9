"""Drawn videos: what happens in them, and that their labels are exact."""

import cv2
import numpy as np
import pytest

from data.toy import video as drawing
from data.toy.look import HELD_OUT, IMAGES, MIN_VISIBLE
from data.toy.video import DrawnVideo, draw_video

FRAMES, HEIGHT, WIDTH = 12, 60, 100


@pytest.fixture(scope="module")
def videos() -> list[DrawnVideo]:
    return [draw_video(np.random.default_rng(seed), FRAMES, HEIGHT, WIDTH) for seed in range(12)]


def presence(video: DrawnVideo) -> np.ndarray:
    """Whether each thing is to be seen in each frame, bool [n, t]."""
    things = np.arange(1, len(video.things) + 1)
    return np.stack([(video.thing_map == thing).any(axis=(1, 2)) for thing in things])


def test_shapes_and_labels_fit(videos: list[DrawnVideo]) -> None:
    for video in videos:
        assert video.images.shape == (FRAMES, HEIGHT, WIDTH, 3)
        assert video.images.dtype == np.uint8
        assert video.thing_map.shape == video.stuff_map.shape == (FRAMES, HEIGHT, WIDTH)
        assert 3 <= len(video.things) <= 6
        assert 0 <= video.thing_map.min() <= video.thing_map.max() <= len(video.things)
        assert 0 <= video.stuff_map.min() <= video.stuff_map.max() < len(video.stuff)
        assert set(video.things) <= set(HELD_OUT.things)
        assert set(video.stuff) <= set(HELD_OUT.stuff)
        names = np.array(video.segments)[video.segment_map]
        has_thing = video.thing_map > 0
        assert (names[has_thing] == np.array(video.things)[video.thing_map[has_thing] - 1]).all()
        assert (names[~has_thing] == np.array(video.stuff)[video.stuff_map[~has_thing]]).all()


def test_nothing_is_hardly_visible(videos: list[DrawnVideo]) -> None:
    for video in videos:
        for frame in video.thing_map:
            pixels = np.unique(frame[frame > 0], return_counts=True)[1]
            assert (pixels >= MIN_VISIBLE).all()


def test_things_enter_leave_and_return(videos: list[DrawnVideo]) -> None:
    late = returned = neighbours = 0
    for video in videos:
        present = presence(video)
        assert present[:, 0].any()
        late += (~present[:, 0] & present.any(axis=1)).any()
        gone = [
            np.flatnonzero(row)[0] < index < np.flatnonzero(row)[-1]
            for row in present
            for index in np.flatnonzero(~row)
            if row.any()
        ]
        returned += any(gone)
        neighbours += len(set(video.things)) < len(video.things)
    assert late >= 9
    assert returned >= 9
    assert neighbours >= 6


def test_things_and_camera_move(videos: list[DrawnVideo]) -> None:
    for video in videos:
        front = video.thing_map == len(video.things)  # it is never covered
        centres = np.array([np.argwhere(mask).mean(axis=0) for mask in front if mask.any()])
        assert np.ptp(centres, axis=0).max() > 5
        areas = front.sum(axis=(1, 2))
        assert areas.max() > 1.05 * areas[areas > 0].min()
    moved = [(video.stuff_map[0] != video.stuff_map[-1]).any() for video in videos]
    assert all(moved)


def test_masks_agree_with_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bright things before black stuff: what is bright is labelled, up to a pixel at the outlines."""
    monkeypatch.setattr(drawing, "add_blobs", lambda rng, image, *_: image)
    black = {name: lambda rng, height, width: np.zeros((height, width, 3)) for name in ("a", "b", "c")}
    look = drawing.Look(HELD_OUT.things, {}, [lambda rng, height, width: np.ones((height, width))], black, 0.0)
    kernel = np.ones((3, 3), np.uint8)
    for seed in range(4):
        video = draw_video(np.random.default_rng(seed), 5, HEIGHT, WIDTH, look)
        for image, thing_map in zip(video.images, video.thing_map, strict=True):
            bright, labelled = image.max(axis=-1), (thing_map > 0).astype(np.uint8)
            assert labelled.any()
            assert bright[cv2.erode(labelled, kernel, borderValue=1) > 0].min(initial=255) > 50
            beyond = bright[cv2.dilate(labelled, kernel) == 0]
            assert beyond.max() < 100  # what is not labelled is covered by half at most ...
            assert (beyond > 20).mean() < 0.002  # ... and tips of less than a pixel are all there is


def test_a_video_depends_on_its_generator_alone() -> None:
    first, again, other = (draw_video(np.random.default_rng(seed), 3, HEIGHT, WIDTH) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.thing_map, again.thing_map)
    assert (first.images != other.images).any()


def test_images_never_show_what_videos_show() -> None:
    def kinds(look: drawing.Look) -> set:
        return {*look.things.values(), *look.patterns, *look.stuff.values()}

    assert not kinds(IMAGES) & kinds(HELD_OUT)
    points = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41))
    shapes = {name: shape(*points) < 0 for name, shape in HELD_OUT.things.items()}
    for name, inside in shapes.items():
        assert inside.mean() > 0.08
        for known in IMAGES.things.values():
            seen = known(*points) < 0
            assert (seen & inside).sum() / (seen | inside).sum() < 0.85, name
