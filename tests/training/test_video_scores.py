"""Scores of videos in memory: against the measures' definitions, and on predictions whose scores are known."""

import dataclasses

import numpy as np
import pytest

from data import categories
from data.toy.davis import object_ids
from data.toy.look import HELD_OUT, IMAGES
from tarvis_jax.config import EvalConfig
from tarvis_jax.evaluation.boundary import boundary_f
from tarvis_jax.evaluation.davis_scores import region_j
from tarvis_jax.inference.results import FrameResult, PanopticFrame, TrackInfo
from tarvis_jax.training.baselines import match_colours, repeat_first_mask
from tarvis_jax.training.evaluation import CLASSES, draw_class_videos, draw_object_videos
from tarvis_jax.training.video_scores import ObjectScores, PanopticScores, TrackScores

KNOWN = categories.load(CLASSES)
SETTINGS = EvalConfig(videos=2, image_size=64)


@pytest.fixture(scope="module")
def object_videos():
    return draw_object_videos(SETTINGS)


@pytest.fixture(scope="module")
def class_videos():
    return draw_class_videos(SETTINGS)


def perfect(video, first_id=1):
    """The ground truth as a prediction of "vis" and "vps"; things are tracks from `first_id` on."""
    shown = [i for i in range(1, len(video.things) + 1) if (video.thing_map == i).any()]
    tracks = []
    for i in shown:
        index = KNOWN.names.index(video.things[i - 1])
        tracks.append(TrackInfo(first_id + i - 1, KNOWN.ids[index], KNOWN.names[index], 0.9, True))
    class_of = np.array([KNOWN.names.index(name) for name in video.segments])
    frames = []
    for t, things in enumerate(video.thing_map):
        masks = [things == i for i in shown]
        panoptic = PanopticFrame(class_of[video.segment_map[t]], np.where(things > 0, things + first_id - 1, 0))
        frames.append(FrameResult(t, {}, instances=[mask if mask.any() else None for mask in masks], panoptic=panoptic))
    return frames, tracks


def values(scores, videos, predict):
    own = [scores.add(video, predict(video)) for video in videos]
    return own, scores.values()


def test_objects_score_as_defined(object_videos):
    own, found = values(ObjectScores(), object_videos, lambda video: repeat_first_mask(video.images, object_ids(video)[0]))
    expected = []
    for video in object_videos:
        ids = object_ids(video)
        for i in range(1, ids.max() + 1):
            true, same = ids[1:-1] == i, np.broadcast_to(ids[0] == i, ids[1:-1].shape)
            expected.append(100 * (region_j(true, same).mean() + boundary_f(true, same).mean()) / 2)
    assert found["J&F"] == pytest.approx(np.mean(expected))
    assert np.mean(own) == pytest.approx(np.mean(expected), abs=15)  # as many objects in each video, about
    assert 0 < found["HOTA"] < 100


def test_the_ground_truth_scores_full_marks(object_videos, class_videos):
    assert values(ObjectScores(), object_videos, object_ids)[1] == {"J&F": 100, "HOTA": pytest.approx(100)}
    assert values(TrackScores(CLASSES), class_videos, perfect)[1] == {"AP": pytest.approx(100)}
    assert values(PanopticScores(CLASSES), class_videos, perfect)[1] == {"VPQ": pytest.approx(100), "STQ": pytest.approx(100)}


def test_nothing_found_scores_nothing(object_videos, class_videos):
    assert values(ObjectScores(), object_videos, lambda video: np.zeros_like(object_ids(video)))[1]["HOTA"] == 0
    assert values(TrackScores(CLASSES), class_videos, lambda video: ([], []))[1] == {"AP": 0}


def test_wrong_classes_score_nothing(class_videos):
    def renamed(video):
        frames, tracks = perfect(video)
        return frames, [dataclasses.replace(track, category="zebra") for track in tracks]

    assert values(TrackScores(CLASSES), class_videos, renamed)[1] == {"AP": 0}


def test_broken_tracks_cost_association_alone(class_videos):
    """Every track changes its id in the middle: one frame by itself is still perfect, windows over the change are not."""

    def broken(video):
        half = len(video.images) // 2
        return perfect(video)[0][:half] + perfect(video, first_id=50)[0][half:], []

    found = values(PanopticScores(CLASSES), class_videos, broken)[1]
    assert 85 < found["VPQ"] < 100
    assert 60 < found["STQ"] < 90  # each of two halves of a track gets up to half of it: AQ from 1/2 on, class IoU 1


def test_colours_tell_objects_apart_that_have_their_own(object_videos):
    video = object_videos[0]
    painted = np.stack([object_ids(video) * 40, *[object_ids(video) * 0 + 99] * 2], axis=-1)
    assert (match_colours(painted, object_ids(video)[0]) == object_ids(video)).all()


def test_held_out_videos_show_what_training_never_does(object_videos, class_videos):
    assert not set(HELD_OUT.things.values()) & set(IMAGES.things.values())
    assert not set(HELD_OUT.patterns) & set(IMAGES.patterns)
    for video in object_videos:
        assert set(video.things) <= set(HELD_OUT.things)
    for video in class_videos:
        assert set(video.things) <= set(IMAGES.things) & set(KNOWN.names)
        assert set(video.stuff) <= set(IMAGES.stuff) & set(KNOWN.names)
