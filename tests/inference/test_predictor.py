"""The streaming predictor around a network that is always right: what goes in must come out."""

import dataclasses

import numpy as np
import pytest

from tarvis_jax.config import ConfigError
from tarvis_jax.errors import UserError
from tarvis_jax.inference.clips import ClipSettings
from tarvis_jax.inference.predictor import Predictor, default_clips
from tests.inference.perfect import CELL, SURE, PerfectNetwork, draw_video

CLIPS = ClipSettings(length=12, overlap=6)
MOVING = {1: lambda t: (1, t % 20), 2: lambda t: (9, 19 - t % 20)}


def still(row, column, *spans):
    """A square that stands at a place during [start, end) of some spans."""
    return lambda t: (row, column) if any(start <= t < end for start, end in spans) else None


def run(predictor, video, labels, given, by_point=()):
    """All results by frame, each frame once, as if objects were given in the frames `given` {id: frame}."""
    results = []
    for t, frame in enumerate(video):
        for i in [i for i, start in given.items() if start == t]:
            mask = labels[t] == i
            y, x = np.argwhere(mask).mean(axis=0)
            predictor.add_object(i, **({"point": (x, y)} if i in by_point else {"mask": mask}))
        results += predictor.step(frame)
    results += predictor.finish()
    assert [r.frame_index for r in results] == list(range(len(video)))
    return results


def middles(x):
    """The two middle rows and columns of every cell of logits, [h, w] to [h / 2, w / 2]; enlarging rounds squares' corners."""
    return x[np.ix_(*(np.isin(np.arange(side) % CELL, (CELL // 2 - 1, CELL // 2)) for side in x.shape))]


def assert_same_mask(mask, expected):
    np.testing.assert_array_equal(middles(mask), middles(expected))


def assert_masks(results, labels, given):
    for result in results:
        expected = {i for i in given if (labels[result.frame_index] == i).any()}
        assert set(result.masks) == expected, f"frame {result.frame_index}"
        for i, mask in result.masks.items():
            assert_same_mask(mask, labels[result.frame_index] == i)


@pytest.mark.parametrize("by_point", [(), (2,), (1, 2)])
@pytest.mark.parametrize("frames", [1, 2, 11, 12, 13, 18, 19, 40])
def test_videos_of_any_length(frames, by_point):
    video, labels = draw_video(frames, MOVING)
    given = {1: 0, 2: 0}
    assert_masks(run(Predictor(PerfectNetwork(), "vos", clips=CLIPS), video, labels, given, by_point), labels, given)


def test_objects_enter_at_any_time():
    starts = {1: 0, 2: 5, 3: 6, 4: 11, 5: 12, 6: 30}
    paths = {i: still(5 * (i % 3), 5 * (i // 3), (start, 40)) for i, start in starts.items()}
    video, labels = draw_video(40, paths)
    for by_point in ((), tuple(starts)):
        network = PerfectNetwork()
        assert_masks(run(Predictor(network, "pet", clips=CLIPS), video, labels, starts, by_point), labels, starts)
        assert max(slots for *_, slots in network.calls) == 8  # six objects: a point given in shared frames counts once


def test_an_object_is_absent_before_the_frame_in_which_it_is_given():
    video, labels = draw_video(13, {1: still(1, 1, (0, 13))})
    results = run(Predictor(PerfectNetwork(), "vos", clips=CLIPS), video, labels, {1: 4})
    assert [bool(r.masks) for r in results] == [False] * 4 + [True] * 9


def test_lost_objects_stay_lost_and_new_ones_are_found():
    paths = {1: still(1, 1, (0, 4), (20, 60)), 2: still(8, 8, (0, 9)), 3: still(4, 15, (45, 60))}
    video, labels = draw_video(60, paths)
    network = PerfectNetwork()
    results = run(Predictor(network, "vos", clips=CLIPS), video, labels, {1: 0, 2: 0, 3: 45})
    seen = {i: [r.frame_index for r in results if i in r.masks] for i in (1, 2, 3)}
    assert seen == {1: list(range(4)), 2: list(range(9)), 3: list(range(45, 60))}
    assert len(network.calls) == 2 + 3  # clips from 0 and 6; nothing to do until the clip from 36


def test_frames_come_out_as_soon_as_nothing_can_change_them():
    video, labels = draw_video(40, MOVING)
    predictor = Predictor(PerfectNetwork(), "vos", clips=CLIPS)
    predictor.add_object(1, mask=labels[0] == 1)
    done = [[r.frame_index for r in predictor.step(frame)] for frame in video]
    for t, frames in enumerate(done):
        expected = list(range(t - 12, t - 6)) if t >= 12 and t % 6 == 0 else []
        assert frames == expected, f"after frame {t}"


def test_the_last_clip_is_padded_and_object_slots_double():
    video, labels = draw_video(20, {i: still(5 * (i % 3), 5 * (i // 3), (0, 20)) for i in range(1, 6)})
    network = PerfectNetwork()
    run(Predictor(network, "vos", clips=CLIPS), video, labels, dict.fromkeys(range(1, 6), 0))
    assert network.calls == [(12, 12, 8), (12, 12, 8), (12, 8, 8)]


@pytest.mark.parametrize("size", [(60, 100), (100, 36), (64, 64)])
def test_sizes_that_are_no_multiples_of_64(size):
    video, labels = draw_video(14, {1: lambda t: (t // 2, 2)}, size=size)
    assert_masks(run(Predictor(PerfectNetwork(), "vos", clips=CLIPS), video, labels, {1: 0}), labels, {1: 0})


CLASS_OF_ID = {1: 5, 2: 5, 3: 7}  # 1-based


def _class_results(task, dataset, frames=40, paths=None):
    paths = paths or {1: lambda t: (0, t // 3), 2: lambda t: (5, 16 - t // 3), 3: still(10, 10, (8, 60))}
    video, labels = draw_video(frames, paths)
    predictor = Predictor(PerfectNetwork(CLASS_OF_ID), task, classes=dataset, clips=CLIPS)
    provisional = [result for frame in video for result in predictor.step(frame)]
    assert all(result.provisional for result in provisional)
    return predictor, provisional, list(predictor.finish()), labels


@pytest.mark.parametrize("frames", [1, 11, 12, 13, 40])
def test_tracks_follow_instances(frames):
    predictor, provisional, final, labels = _class_results("vis", "youtube_vis", frames)
    assert [r.frame_index for r in provisional] == list(range(len(provisional)))
    assert [r.frame_index for r in final] == list(range(frames))
    sure = [track for track in predictor.tracks if track.score > 0.5]
    present = [i for i in CLASS_OF_ID if (labels == i).any()]
    assert len(sure) == len(present)
    label_of = {}
    for track in sure:
        (label,) = {int(v) for r in final if track.id in r.masks for v in labels[r.frame_index][r.masks[track.id]]}
        label_of[track.id] = label
        assert track.category_id == CLASS_OF_ID[label]  # YouTube-VIS ids are 1-based class indices
        assert track.is_thing
    assert sorted(label_of.values()) == present
    for result in final:
        for row, track in enumerate(predictor.tracks[: len(sure)]):
            mask = result.instances[row]
            expected = labels[result.frame_index] == label_of[track.id]
            assert_same_mask(np.zeros_like(expected) if mask is None else mask, expected)


def test_panoptic_maps_hold_classes_and_tracks():
    things = {1: 12, 2: 14, 3: 2}  # 1-based: person, car, and sidewalk, which is stuff and so never a track
    predictor = Predictor(PerfectNetwork(things), "vps", classes="kitti_step", clips=CLIPS)
    video, labels = draw_video(25, {1: lambda t: (0, t // 3), 2: still(6, 3, (0, 25)), 3: still(11, 11, (0, 25))})
    for frame in video:
        predictor.step(frame)
    results = list(predictor.finish())
    assert sorted((t.category, t.is_thing) for t in predictor.tracks) == [("car", True), ("person", True)]
    class_of = {t.id: t.category for t in predictor.tracks}
    for result in results:
        label = middles(labels[result.frame_index])
        class_map, track_map = middles(result.panoptic.class_map), middles(result.panoptic.track_map)
        assert set(np.unique(track_map[label == 1])) == {next(i for i, c in class_of.items() if c == "person")}
        assert set(np.unique(class_map[label == 2])) == {13}
        assert (class_map[label == 0] == 2).all()
        assert not track_map[(label == 0) | (label == 3)].any()


def _give_twice(predictor, video, labels):
    predictor.add_object(1, mask=labels[0] == 1)
    predictor.step(video[0])
    predictor.add_object(1, point=(4, 6))
    predictor.step(video[1])


class WaveringNetwork(PerfectNetwork):
    """From its second clip on it is sure that nothing is in a clip's first two frames, more than of anything else."""

    def __init__(self, *args):
        super().__init__(*args)
        self.clips = 0

    def _waver(self, masks):
        masks = np.asarray(masks, np.float32)
        masks[:, :2] = -3 * SURE if self.clips else masks[:, :2]
        self.clips += 1
        return masks

    def segment_objects(self, *args, **options):
        prediction = super().segment_objects(*args, **options)
        return dataclasses.replace(prediction, mask_logits=self._waver(prediction.mask_logits))

    def segment_classes(self, *args):
        prediction = super().segment_classes(*args)
        return dataclasses.replace(prediction, mask_logits=self._waver(prediction.mask_logits))


@pytest.mark.parametrize(("merge", "missing"), [("original", []), ("average", [6, 7, 12, 13])])
@pytest.mark.parametrize("task", ["vos", "vis"])
def test_shared_frames_may_be_averaged(task, merge, missing):
    """The clips start at the frames 0, 6 and 12, and the last one is cut short."""
    video, labels = draw_video(22, {1: lambda t: (2, t // 2)})
    clips = dataclasses.replace(CLIPS, overlap_merge=merge)
    predictor = Predictor(WaveringNetwork({1: 5}), task, classes="youtube_vis" if task == "vis" else None, clips=clips)
    if task == "vos":
        results = run(predictor, video, labels, {1: 0})
    else:
        for frame in video:
            predictor.step(frame)
        results = list(predictor.finish())
    assert [r.frame_index for r in results] == list(range(22))
    assert [r.frame_index for r in results if not r.masks] == missing


MISTAKES = {
    "given in frame 1, but already in frame 0": _give_twice,
    "given twice in frame 0": lambda p, v, m: [p.add_object(1, mask=m[0] == 1), p.add_object(1, mask=m[0] == 2)],
    "expected a mask or a point": lambda p, v, m: p.add_object(1),
    "expected an id of 1 or more": lambda p, v, m: p.add_object(0, point=(1, 1)),
    r"mask of shape \(64, 95\); expected \(64, 96\)": lambda p, v, m: [p.add_object(1, mask=m[0, :, 1:] > 0), p.step(v[0])],
    "its mask in frame 0 is empty": lambda p, v, m: [p.add_object(1, mask=m[0] == 9), p.step(v[0])],
    r"point \(96, 3\) lies outside": lambda p, v, m: [p.add_object(1, point=(96, 3)), p.step(v[0])],
    r"point \(-1, 3\) lies outside": lambda p, v, m: [p.add_object(1, point=(-1, 3)), p.step(v[0])],
    "given for frame 1, which never came": lambda p, v, m: [p.step(v[0]), p.add_object(1, point=(1, 3)), list(p.finish())],
    r"size \(60, 96\); expected \(64, 96\)": lambda p, v, m: [p.step(v[0]), p.step(v[1][:60])],
    "expected RGB, uint8": lambda p, v, m: p.step(v[0].astype(float)),
    "the video is finished": lambda p, v, m: [p.step(v[0]), list(p.finish()), p.step(v[1])],
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_have_clear_messages(message):
    video, labels = draw_video(2, MOVING)
    with pytest.raises(UserError, match=message):
        MISTAKES[message](Predictor(PerfectNetwork(), "vos", clips=CLIPS), video, labels)


def test_tasks_and_classes_must_fit_the_checkpoint():
    with pytest.raises(ConfigError, match="task 'voss' does not exist; did you mean vos"):
        Predictor(PerfectNetwork(), "voss")
    with pytest.raises(ConfigError, match="needs the dataset whose classes to look for; known: kitti_step, youtube_vis"):
        Predictor(PerfectNetwork(), "vis")
    with pytest.raises(ConfigError, match="'youtube': this checkpoint was not trained for them; did you mean youtube_vis"):
        Predictor(PerfectNetwork(), "vis", classes="youtube")
    with pytest.raises(ConfigError, match="'youtube_vis' has no stuff classes"):
        Predictor(PerfectNetwork(), "vps", classes="youtube_vis")
    with pytest.raises(UserError, match="finds its objects itself"):
        Predictor(PerfectNetwork(), "vis", classes="youtube_vis").add_object(1, point=(1, 1))


def test_default_clips_are_the_original_s():
    assert default_clips("vos", None) == ClipSettings(12, 6, 0, 1333)
    assert default_clips("pet", None) == ClipSettings(8, 4, 512, 1333)
    assert default_clips("vps", "kitti_step") == ClipSettings(6, 3, 0, 1333)
    assert default_clips("vis", "ovis") == ClipSettings(12, 6, 576, 1333)
