"""YouTube-VIS and OVIS against the official tool's stored numbers, and its answers to broken files."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from data.errors import DataError
from tarvis_jax.evaluation import track_iou, ytvis_files
from tarvis_jax.evaluation.benchmark import PERFECT
from tarvis_jax.evaluation.ytvis import YoutubeVis
from tests.evaluation import brute_ytvis
from tests.evaluation.evaluated import evaluated
from tests.evaluation.nested import assert_equal_numbers
from tests.evaluation.panoptic import edit
from tests.evaluation.scenes import disturbed, label_maps

OFFICIAL_NAMES = {"AR_1": "AR1", "AR_10": "AR10", "AR_100": "AR100"}
SIZE = (40, 60)


@pytest.mark.parametrize("method", ["mild", "strong"])
def test_agrees_with_the_official_tool(shared, method):
    """All but what TrackEval says of the same data, see `test_trackeval_tracks.py`."""
    case = shared / "evaluation" / "ytvis" / "ytA"
    expected = json.loads((case / "expected" / f"{method}.json").read_text())
    result = evaluated(YoutubeVis(case / "gt.json", case / "pred" / f"{method}.json"))
    stats = {name: result.summary[OFFICIAL_NAMES.get(name, name)] for name in expected["stats"]}
    assert_equal_numbers(stats, expected["stats"])
    assert stats.keys() - OFFICIAL_NAMES.keys() == result.summary.keys() - {
        *OFFICIAL_NAMES.values(),
        "per_category",
        "per_sequence",
    }
    keys = ("AP_per_iou", "AR1_per_iou", "AR10_per_iou", "AR100_per_iou")
    per_category = {
        name.removeprefix("cat"): {key: own[key] for key in keys} for name, own in result.summary["per_category"].items()
    }
    assert_equal_numbers(per_category, expected["per_category"])
    assert result.warnings == []


@pytest.mark.parametrize("method", ["mild", "strong"])
def test_ious_agree_with_the_official_tool(shared, method):
    case = shared / "evaluation" / "ytvis" / "ytA"
    expected = json.loads((case / "expected" / f"{method}.json").read_text())["track_ious"]
    dataset = ytvis_files.read_ground_truth(case / "gt.json", "youtube_vis")
    ytvis_files.add_results(dataset, case / "pred" / f"{method}.json")
    found = {}
    for video_id, video in dataset.videos.items():
        predicted, true = ytvis_files.predicted_tracks(video), ytvis_files.true_tracks(video)
        for category in dataset.category_names:
            rows = [i for i, (_, entry) in enumerate(video.predicted) if entry["category_id"] == category]
            rows.sort(key=lambda i: -video.predicted[i][1]["score"])
            columns = [i for i, (_, entry) in enumerate(video.true) if entry["category_id"] == category]
            ious = track_iou.track_ious([predicted[i] for i in rows], [true[i] for i in columns])
            found[f"{video_id},{category}"] = ious.tolist()
    assert_equal_numbers(found, expected)


def rle(mask, compressed=True):
    """A COCO RLE; null if the mask is empty."""
    if not mask.any():
        return None
    if compressed:
        return {"size": list(mask.shape), "counts": coco_counts(mask)}
    flat = np.concatenate([[0], mask.ravel(order="F"), [0]]).astype(int)
    changes = np.flatnonzero(np.diff(flat))
    lengths = np.diff(np.concatenate([[0], changes, [mask.size]]))
    return {"size": list(mask.shape), "counts": lengths.tolist()}


def coco_counts(mask):
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def draw_tracks(rng, video_ids):
    """[(video id, category, true masks, predicted masks, score, is crowd)], masks bool [t, h, w]."""
    tracks = []
    for video_id in video_ids:
        true = label_maps(rng, 3, np.arange(5), SIZE)
        predicted = disturbed(rng, true, np.arange(5), rng.choice([0.0, 0.02, 0.3]))
        for label in range(1, 5):
            crowd = bool(rng.random() < 0.2)
            tracks.append((video_id, int(rng.integers(1, 3)), true == label, predicted == label, float(rng.random()), crowd))
    return tracks


def ground_truth(tracks):
    videos = [
        {"id": i, "height": SIZE[0], "width": SIZE[1], "length": 3, "file_names": [f"v{i}/{t:05d}.jpg" for t in range(3)]}
        for i in sorted({track[0] for track in tracks}, reverse=True)
    ]
    annotations = [
        {
            "id": index,
            "video_id": video_id,
            "category_id": category,
            "iscrowd": int(crowd),
            "segmentations": [rle(mask, compressed=False) for mask in true],
            "areas": [int(mask.sum()) or None for mask in true],
        }
        for index, (video_id, category, true, _, _, crowd) in enumerate(tracks, 1)
    ]
    categories = [{"id": 2, "name": "cat"}, {"id": 1, "name": "dog"}, {"id": 3, "name": "eel"}]
    return {"videos": videos, "annotations": annotations, "categories": categories}


def result(tracks):
    return [
        {"video_id": video_id, "category_id": category, "score": score, "segmentations": [rle(mask) for mask in predicted]}
        for video_id, category, _, predicted, score, _ in tracks
    ]


@pytest.fixture
def tracks():
    return draw_tracks(np.random.default_rng(0), [7, 3])


@pytest.fixture
def files(tmp_path, tracks):
    gt, pred = tmp_path / "gt.json", tmp_path / "results.json"
    gt.write_text(json.dumps(ground_truth(tracks)))
    pred.write_text(json.dumps(result(tracks)))
    return gt, pred


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_the_definition(tmp_path, seed):
    tracks = draw_tracks(np.random.default_rng(seed), [4, 2, 9])
    gt, pred = tmp_path / "gt.json", tmp_path / "results.json"
    gt.write_text(json.dumps(ground_truth(tracks)))
    pred.write_text(json.dumps(result(tracks)))
    videos = {2: {}, 4: {}, 9: {}}
    for video_id, category, true, predicted, score, crowd in tracks:
        side = videos[video_id].setdefault(category, ([], []))
        side[0].append((score, brute_ytvis.Track(predicted)))
        side[1].append((brute_ytvis.Track(true), crowd))
    summary = evaluated(YoutubeVis(gt, pred)).summary
    expected = brute_ytvis.track_ap(list(videos.values()), [1, 2, 3])
    assert_equal_numbers({key: summary[key] for key in expected}, expected)
    assert list(summary["per_category"]) == ["dog", "cat", "eel"]


def test_perfect_predictions_have_1(tmp_path, tracks):
    tracks = [(video, category, true, true, score, False) for video, category, true, _, score, _ in tracks]
    gt, pred = tmp_path / "gt.json", tmp_path / "results.json"
    gt.write_text(json.dumps(ground_truth(tracks)))
    pred.write_text(json.dumps(result(tracks)))
    found = evaluated(YoutubeVis(gt, pred, "ovis"))
    summary = found.summary
    assert [summary[key] for key in ("AP", "AP50", "AP75", "AR10", "AR100", "AP_small")] == pytest.approx([1.0] * 6, abs=1e-12)
    assert summary["AP_large"] == -1.0
    assert found.warnings == [PERFECT]


def test_videos_are_named_by_their_folders(files):
    assert YoutubeVis(*files).videos == ["v3", "v7"]
    edit(files[0], lambda content: [video.update(file_names=["x/0.jpg"]) for video in content["videos"]])
    assert YoutubeVis(*files).videos == ["3", "7"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r[2].pop("score"), r"\[2\]: the key 'score' is missing; found 'video_id', 'category_id', 'segmentations'"),
        (lambda r: r[2].update(score="0.9"), "expected a number as 'score', found '0.9'"),
        (lambda r: r[2].update(score=float("nan")), "expected a finite score, found nan"),
        (lambda r: r[2].update(score=10**400), "expected a number as 'score', found 1000"),
        (lambda r: r[2].update(video_id=8), r"the video_id 8 is not in the ground truth \(2 ids, 3 .. 7\)"),
        (lambda r: r[2].update(video_id="v3"), "expected a whole number as 'video_id', found 'v3'"),
        (lambda r: r[2].update(category_id=0), r"the category_id 0 is not in the ground truth \(3 ids, 1 .. 3\)"),
        (lambda r: r[2]["segmentations"].pop(), "segmentations: expected 3 entries, one a frame .*, found 2"),
        (lambda r: r.__setitem__(2, 5), r"\[2\]: expected an object"),
        (lambda r: r[2]["segmentations"].__setitem__(0, "x"), r"\[2\]: frame 0: expected an RLE"),
        (
            lambda r: segmentation(r).update(size=[60, 40]),
            r"\[2\]: frame 0: expected an RLE of size \[40, 60\], found \[60, 40\]",
        ),
        (lambda r: segmentation(r).update(counts=[2400]), r"\[2\]: frame 0: expected compressed RLE counts"),
        (lambda r: segmentation(r).update(counts="<"), r"\[2\]: frame 0: RLE counts cover 12 pixels, expected 2400"),
        (lambda r: segmentation(r).update(counts="\x7f"), r"\[2\]: frame 0: RLE counts are corrupt"),
    ],
)
def test_broken_results(files, change, reason):
    gt, pred = files
    content = json.loads(pred.read_text())
    content[2]["segmentations"][0] = rle(np.ones(SIZE, bool))
    change(content)
    pred.write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"results\.json: .*{reason}"):
        evaluated(YoutubeVis(gt, pred))


def segmentation(entries):
    return entries[2]["segmentations"][0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.update(annotations=None), "no annotations; those of valid and test are not public: submit to https://"),
        (lambda c: c.pop("annotations"), "no annotations"),
        (lambda c: c.pop("videos"), "the key 'videos' is missing; found 'annotations', 'categories'"),
        (lambda c: c["videos"].clear(), "no videos"),
        (lambda c: c["videos"].append(c["videos"][0]), r"videos\[2\]: the id 7 is there twice"),
        (lambda c: c["categories"].append(c["categories"][0]), r"categories\[3\]: the id 2 is there twice"),
        (lambda c: c["annotations"][1].update(id=1), r"annotations\[1\]: the id 1 is there twice"),
        (lambda c: c["annotations"][1].update(id=0), r"annotations\[1\]: the id 0: expected 1 or more"),
        (lambda c: c["annotations"][1].update(category_id=4), "the category_id 4 is not in the ground truth"),
        (lambda c: c["annotations"][1].update(iscrowd="0"), "expected a truth value or 0 or 1 as 'iscrowd', found '0'"),
        (lambda c: c["annotations"][1].pop("areas"), "the key 'areas' is missing"),
        (lambda c: c["annotations"][1].update(areas=[1, "2", 3]), "expected numbers and nulls as 'areas'"),
        (lambda c: c["annotations"][1].update(segmentations=[None]), "segmentations: expected 3 entries"),
        (lambda c: true_mask(c).update(counts=[1, 2]), r"frame \d: the RLE's counts are no run lengths of 40 x 60 pixels"),
        (lambda c: true_mask(c).update(size=[1, 2]), r"frame \d: expected an RLE of size \[40, 60\], found \[1, 2\]"),
    ],
)
def test_broken_ground_truth(files, change, reason):
    edit(files[0], change)
    with pytest.raises(DataError, match=rf"gt\.json: .*{reason}"):
        evaluated(YoutubeVis(*files))


def true_mask(content):
    return next(mask for mask in content["annotations"][1]["segmentations"] if mask)


def test_broken_json(files):
    gt, pred = files
    text = pred.read_text()
    for content, reason in (("{}", "expected a list .* found an object"), (text[:-9], "not JSON, or cut off")):
        pred.write_text(content)
        with pytest.raises(DataError, match=rf"results.json: {reason}"):
            YoutubeVis(gt, pred)
    with pytest.raises(DataError, match=r"absent.json: no such file"):
        YoutubeVis(gt, pred.with_name("absent.json"))


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (lambda entry: entry.update(score=1), "all 8 predictions have the score 1.0: their order, and so AP, is arbitrary"),
        (lambda entry: entry.update(category_id=3), "no prediction has a category that occurs in the ground truth"),
        (lambda entry: entry.update(category_id=1), "every prediction has one category, 1 (dog)"),
        (lambda entry: entry.update(segmentations=[None] * 3), "all 8 predicted tracks are empty: no mask has a pixel"),
        (lambda entry: entry.update(video_id=7), "no predictions for 1 of 2 videos: v3"),
    ],
)
def test_warnings(files, change, warning):
    edit(files[1], lambda content: [change(entry) for entry in content])
    assert any(line.startswith(warning) for line in evaluated(YoutubeVis(*files)).warnings)


def test_copies_are_named(files):
    edit(files[1], lambda content: content.extend(content[:3]))
    warnings = evaluated(YoutubeVis(*files)).warnings
    assert warnings == ["3 of 11 predicted tracks are copies of others: each copy counts as a false positive"]


def test_the_area_of_a_track_is_a_mean_over_the_frames_that_show_it(tmp_path):
    """A false alarm of medium size, empty in two of three frames, lowers the AP of medium tracks alone."""
    box, far = np.zeros((2, 3, 200, 400), bool)
    box[:, :140, :140], far[0, :140, 200:340] = True, True
    content = ground_truth([(1, 1, box, box, 0.5, False)])
    content["videos"][0].update(height=200, width=400)
    entries = result([(1, 1, box, box, 0.5, False), (1, 1, box, far, 0.9, False)])
    entries[1]["segmentations"][1:] = [{"size": [200, 400], "counts": coco_counts(mask)} for mask in far[1:]]
    gt, pred = tmp_path / "gt.json", tmp_path / "results.json"
    gt.write_text(json.dumps(content))
    pred.write_text(json.dumps(entries))
    summary = evaluated(YoutubeVis(gt, pred)).summary
    assert summary["AP_medium"] == pytest.approx(0.5)


def test_an_empty_result_is_zero_with_a_warning(files):
    files[1].write_text("[]")
    found = evaluated(YoutubeVis(*files))
    assert found.summary["AP"] == found.summary["AR100"] == 0.0
    assert found.warnings == ["the result is empty: every score is 0"]


def test_compressed_ground_truth_is_the_same(files, tracks):
    expected = evaluated(YoutubeVis(*files)).summary
    content = ground_truth(tracks)
    for annotation, (_, _, true, *_) in zip(content["annotations"], tracks, strict=True):
        annotation["segmentations"] = [rle(mask) for mask in true]
    files[0].write_text(json.dumps(content))
    assert_equal_numbers(evaluated(YoutubeVis(*files)).summary, expected)
