"""HOTA of masks and track mAP against TrackEval's stored numbers for a YouTube-VIS set."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tarvis_jax.evaluation import hota, track_ap, track_iou, track_map, ytvis_files
from tests.evaluation.nested import assert_equal_numbers


@pytest.fixture(params=["mild", "strong"])
def case(request, shared):
    """The tracks of each category, a list of (predicted, true) a video, and TrackEval's numbers.

    A track is (where its entry stands, the entry, its masks).
    """
    folder = shared / "evaluation" / "ytvis" / "ytA"
    expected = json.loads((folder / "expected" / f"{request.param}.json").read_text())["trackeval_trackmap"]
    dataset = ytvis_files.read_ground_truth(folder / "gt.json", "youtube_vis")
    ytvis_files.add_results(dataset, folder / "pred" / f"{request.param}.json")
    tracks = {category: [] for category in dataset.category_names}
    for video in dataset.videos.values():
        pairs = (video.predicted, ytvis_files.predicted_tracks(video)), (video.true, ytvis_files.true_tracks(video))
        sides = [[(*entry, track) for entry, track in zip(*pair, strict=True)] for pair in pairs]
        for category, videos in tracks.items():
            videos.append([[track for track in side if track[1]["category_id"] == category] for side in sides])
    return tracks, expected


def frame_ious(predicted, true):
    """What `hota.hota` takes of one video."""
    frames = []
    length = max((len(entry["segmentations"]) for _, entry, _ in (*predicted, *true)), default=0)
    for t in range(length):
        gt, pred = ([(i, masks[t]) for i, (*_, masks) in enumerate(side) if t in masks] for side in (true, predicted))
        rles = [[rle for _, rle in side] for side in (gt, pred)]
        ious = coco_mask.iou(*rles, [0] * len(pred)) if gt and pred else np.zeros((len(gt), len(pred)))
        frames.append((ious, [i for i, _ in gt], [i for i, _ in pred]))
    return zip(*frames, strict=True) if frames else ([], [], [])


def test_hota(case):
    tracks, expected = case
    states = [hota.combine([hota.hota(*frame_ious(*video)) for video in videos]) for videos in tracks.values()]
    assert np.mean([state.scores()["HOTA"].mean() for state in states]) == pytest.approx(expected["HOTA_mean"], abs=1e-9)


def matched(predicted, true):
    """Matches of one video: what misses the true tracks and takes a crowd is ignored; a crowd is taken once."""
    regular = [track for track in true if not track[1]["iscrowd"]]
    crowds = [track for track in true if track[1]["iscrowd"]]
    masks, scores = [track[2] for track in predicted], np.array([track[1]["score"] for track in predicted], float)
    is_first = [where.endswith(": [0]") for where, *_ in predicted]  # TrackEval's track 0
    matches = track_map.match_tracks(track_iou.track_ious(masks, [track[2] for track in regular]), scores, reusable=is_first)
    ious = track_iou.track_ious(masks, [track[2] for track in crowds])[np.argsort(-scores, kind="stable")]
    for threshold, outcomes in zip(track_map.IOU_THRESHOLDS, matches.outcomes[0], strict=True):
        for own in ious.T:
            takers = np.flatnonzero((outcomes == track_ap.MISS) & (own >= threshold - 1e-15))
            outcomes[takers[:1]] = track_ap.IGNORED
    return matches


def test_track_map(case):
    tracks, expected = case
    found = [[matched(*video) for video in videos if any(video)] for videos in tracks.values()]
    precisions = [track_map.track_map(matches)[0] for matches in found if sum(part.positives[0] for part in matches)]
    means = np.mean(precisions, axis=0)
    assert_equal_numbers({"AP_all": means.tolist()}, {"AP_all": expected["AP_all"]})
    assert means.mean() == pytest.approx(expected["AP_all_mean"], abs=1e-9)
