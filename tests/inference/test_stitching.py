"""Stitching of clips: the original's stored results, and rules that hold for any video."""

import numpy as np
import pytest

from tarvis_jax.inference.geometry import Geometry
from tarvis_jax.inference.stitching.instances import InstanceSettings, InstanceStitcher, overlap_iou
from tarvis_jax.inference.stitching.objects import ObjectStitcher, masks_of_logits, paint
from tarvis_jax.inference.stitching.semantics import SemanticStitcher, merge_panoptic, panoptic_tracks, without_things
from tarvis_jax.inference.stitching.tracks import best_tracks, disjoint_masks

CLIPS = 3


@pytest.fixture(scope="module")
def geometry(accumulators):
    size = tuple(accumulators["orig_hw"].tolist())
    right, below = accumulators["padding_right_bottom"].tolist()
    return Geometry(size, (64 - below, 96 - right), (64, 96))


def _unpack(accumulators, name):
    shape = accumulators[f"{name}_shape"]
    return np.unpackbits(accumulators[f"{name}_packed"])[: np.prod(shape)].reshape(shape).astype(bool)


def _stitch_instances(accumulators, settings):
    """The stitcher after all stored clips, and the tracks' logits by frame."""
    stitcher, frames = InstanceStitcher(settings), {}
    for clip in range(CLIPS):
        indices = accumulators[f"clip{clip}/frames"].tolist()
        masks = accumulators[f"clip{clip}/instance_mask_logits"]
        classes = accumulators[f"clip{clip}/class_logits"]
        frames |= dict(stitcher.add(indices[0], indices[-1] + 1, classes, masks.__getitem__))
    return stitcher, frames


def _restored(geometry, frames):
    return {t: {i: geometry.restore(x) > 0 for i, x in masks.items()} for t, masks in frames.items()}


def test_tracks_are_the_original_s(accumulators, geometry):
    stitcher, frames = _stitch_instances(accumulators, InstanceSettings(max_tracks=5, threshold=0.3))
    assert list(stitcher.tracks) == accumulators["instance/ids"].tolist()
    found = [stitcher.tracks[i].class_logits for i in accumulators["instance/class_logit_ids"]]
    np.testing.assert_allclose(found, accumulators["instance/class_logits_mean"], rtol=1e-6)
    expected, present = _unpack(accumulators, "instance/masks"), accumulators["instance/entry_present"]
    for t, masks in _restored(geometry, frames).items():
        for row, track in enumerate(accumulators["instance/ids"]):
            assert (track in masks) == present[row, t]
            np.testing.assert_array_equal(masks.get(track, np.zeros_like(expected[row, t])), expected[row, t])


def test_reported_tracks_are_the_original_s(accumulators, geometry):
    stitcher, frames = _stitch_instances(accumulators, InstanceSettings(max_tracks=5, threshold=0.3))
    pairs = best_tracks(stitcher.tracks, count=6)
    stored = list(zip(accumulators["instance/formatted_category"], accumulators["instance/formatted_scores"], strict=True))
    order = sorted(range(len(stored)), key=lambda i: -stored[i][1])
    assert [pair.instance_class for pair in pairs] == [stored[i][0] for i in order]
    np.testing.assert_allclose([pair.score for pair in pairs], [stored[i][1] for i in order], rtol=1e-6)
    expected = _unpack(accumulators, "instance/formatted_masks")[order]
    for t, masks in _restored(geometry, frames).items():
        for row, mask in enumerate(disjoint_masks(masks, pairs)):
            np.testing.assert_array_equal(np.zeros_like(expected[row, t]) if mask is None else mask, expected[row, t])


def test_panoptic_maps_are_the_original_s(accumulators, geometry):
    stitcher, frames = _stitch_instances(accumulators, InstanceSettings(max_tracks=1000, threshold=0.5))
    is_thing = np.isin(np.arange(5), accumulators["panoptic/thing_class_ids"])
    segments = panoptic_tracks(stitcher.tracks, is_thing, threshold=0.5)
    assert [s.track_id for s in segments] == accumulators["panoptic/final_ids"].tolist()
    assert [s.class_index for s in segments] == accumulators["panoptic/final_class0"].tolist()
    np.testing.assert_allclose([s.score for s in segments], accumulators["panoptic/final_scores"], rtol=1e-6)

    semantics, logits = SemanticStitcher(), {}
    for clip in range(CLIPS):
        start = int(accumulators[f"clip{clip}/frames"][0])
        logits |= dict(semantics.add(start, accumulators[f"clip{clip}/semantic_logits"]))
        assert max(logits, default=-1) < start
    logits |= dict(semantics.finish())
    masks = _restored(geometry, frames)
    assert len(logits) == 10
    for t, x in logits.items():
        class_map = geometry.restore(without_things(x, is_thing)).argmax(axis=0)
        np.testing.assert_array_equal(class_map, accumulators["panoptic/semantic_maps"][t])
        classes, ids = merge_panoptic(class_map, masks[t], segments)
        np.testing.assert_array_equal(classes, accumulators["panoptic/final_class_map"][t])
        np.testing.assert_array_equal(ids, accumulators["panoptic/final_instance_map"][t])


def _stitch_objects(accumulators, geometry, ids_of_clip):
    stitcher, frames = ObjectStitcher(), {}
    for clip in range(CLIPS):
        logits = geometry.restore(accumulators[f"clip{clip}/vos_logits"])
        indices = accumulators[f"clip{clip}/frames"].tolist()
        stitcher.add({t: masks_of_logits(ids_of_clip[clip], logits[:, i]) for i, t in enumerate(indices)})
        following = accumulators.get(f"clip{clip + 1}/frames")
        frames |= dict(stitcher.settle(None if following is None else int(following[0])))
    return frames


def _assert_objects(accumulators, frames, times):
    expected, present = _unpack(accumulators, "vos/masks"), accumulators["vos/entry_present"]
    for t in times:
        for row, i in enumerate(accumulators["vos/ids"].tolist()):
            assert (i in frames[t]) == present[row, t]
            np.testing.assert_array_equal(frames[t].get(i, np.zeros_like(expected[row, t])), expected[row, t])


def test_object_masks_are_the_original_s(accumulators, geometry):
    ids = [accumulators[f"clip{clip}/vos_ids"].tolist() for clip in range(CLIPS)]
    _assert_objects(accumulators, _stitch_objects(accumulators, geometry, ids[:2] + ids[1:2]), range(10))  # its last ids
    mended = _stitch_objects(accumulators, geometry, ids)
    _assert_objects(accumulators, mended, range(9))
    np.testing.assert_array_equal(mended[9][3], _unpack(accumulators, "vos/masks")[0, 9])  # stored under id 1


def test_a_video_of_one_clip_has_masks():
    stitcher, mask = ObjectStitcher(), np.ones((2, 3), bool)
    stitcher.add({0: {5: mask}, 1: {}})
    assert [(t, list(masks)) for t, masks in stitcher.settle(None)] == [(0, [5]), (1, [])]


def test_frames_wait_until_no_clip_can_change_them():
    stitcher, first, second = ObjectStitcher(), np.eye(2, dtype=bool), np.ones((2, 2), bool)
    stitcher.add({t: {1: first} for t in range(4)})
    assert [t for t, _ in stitcher.settle(2)] == [0, 1]
    stitcher.add({2: {1: second}, 3: {}, 4: {1: second}, 5: {1: second}})
    frames = dict(stitcher.settle(4))
    assert list(frames) == [2, 3]
    np.testing.assert_array_equal(frames[2][1], second)  # the later clip's
    np.testing.assert_array_equal(frames[3][1], first)  # where it has none, the earlier clip's
    assert [t for t, _ in stitcher.settle(None)] == [4, 5]


def test_every_pixel_has_one_object():
    logits = np.random.default_rng(0).normal(size=(3, 6, 7)).astype(np.float32)
    masks = masks_of_logits([4, 2, 9], logits)
    assert (sum(mask.astype(int) for mask in masks.values()) == (logits.max(axis=0) > 0)).all()
    labels = paint(masks, (6, 7))
    np.testing.assert_array_equal(labels, np.where(logits.max(axis=0) > 0, np.array([4, 2, 9])[logits.argmax(axis=0)], 0))


def test_a_clip_without_instances_separates_tracks():
    stitcher = InstanceStitcher(InstanceSettings(max_tracks=10, threshold=0.5))
    sure, unsure = np.array([[0.0, 9.0]], np.float32), np.array([[9.0, 0.0]], np.float32)
    masks = np.ones((1, 4, 2, 2), np.float32)
    seen = []
    for start, classes in ((0, sure), (2, unsure), (4, sure)):
        seen += [(t, list(frame)) for t, frame in stitcher.add(start, start + 4, classes, masks.__getitem__)]
    assert seen == [(0, [1]), (1, [1]), (2, [1]), (3, [1]), (4, []), (5, []), (6, [2]), (7, [2])]


def test_overlap_iou_counts_pixels():
    rng = np.random.default_rng(1)
    first, second = rng.random((3, 2, 5, 4)) > 0.5, rng.random((2, 2, 5, 4)) > 0.3
    for i, x in enumerate(first):
        for j, y in enumerate(second):
            expected = (np.sum(x & y) + 1) / (np.sum(x | y) + 1)
            assert overlap_iou(first, second)[i, j] == expected
