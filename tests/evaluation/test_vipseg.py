"""VIPSeg against the official tools' stored numbers, and its answers to broken files."""

import json

import numpy as np
import pytest
from PIL import Image

from data.errors import DataError
from tarvis_jax.evaluation.benchmark import PERFECT
from tarvis_jax.evaluation.vipseg import Vipseg
from tests.evaluation import brute_stq, brute_vpq, panoptic
from tests.evaluation.evaluated import evaluated
from tests.evaluation.nested import assert_equal_numbers

GT_JSON = "panoptic_gt_VIPSeg_val.json"
WINDOWS = (1, 2, 4, 6, 8)
VPQ, STQ = ("VPQ", "VPQ_thing", "VPQ_stuff"), ("STQ", "AQ", "SQ")


def write(folder, pairs):
    """Ground truth and result of videos; returns the two folders. Frames are every 7th of the video."""
    gt, pred = folder / "gt", folder / "pred" / "ours"
    videos, sides = [], ([], [])
    for index, pair in enumerate(pairs):
        video, names = f"{index}_abc", [f"{10 + 7 * t:08d}" for t in range(len(pair[0].ids))]
        videos.append({"video_id": video, "images": [{"file_name": f"{name}.png"} for name in names]})
        for side, maps, root, ending in zip(sides, pair, (gt / "panomasksRGB", pred / "pan_pred"), ("png", "jpg"), strict=True):
            frames = [
                {"file_name": f"{name}.{ending}", "segments_info": segments}
                for name, segments in zip(names, maps.segments, strict=True)
            ]
            side.append({"video_id": video, "annotations": frames})
            for name, ids in zip(names, maps.ids, strict=True):
                panoptic.save_rgb(root / video / f"{name}.png", ids)
    content = {"videos": videos, "annotations": sides[0], "categories": panoptic.CATEGORIES}
    (gt / GT_JSON).write_text(json.dumps(content))
    (pred / "pred.json").write_text(json.dumps({"annotations": sides[1]}))
    return gt, pred


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    return write(tmp_path, [panoptic.draw_pair(rng, frames, 0.1) for frames in (9, 3)])


@pytest.mark.parametrize("method", ["mild", "strong"])
def test_agrees_with_the_official_tools(shared, method):
    case = shared / "evaluation" / "vipseg" / "vipA"
    summary = evaluated(Vipseg(case / "gt", case / "pred" / method)).summary
    expected = json.loads((case / "expected" / f"{method}.json").read_text())
    printed = expected["VPQ"].pop("official_final_txt")
    windows = {}
    for name, quality in summary["windows"].items():
        present = expected["VPQ"]["windows"][f"nframes={name}"]["per_class"]
        own = {key.removeprefix("c"): values for key, values in quality["per_class"].items()}
        absent = [values for key, values in own.items() if key not in present]
        assert all(values["tp"] == values["fp"] == values["fn"] == 0 for values in absent)
        windows[f"nframes={name}"] = quality | {"per_class": {key: own[key] for key in present}}
    final = {"VPQ_all": summary["VPQ"], "VPQ_thing": summary["VPQ_thing"], "VPQ_stuff": summary["VPQ_stuff"]}
    assert [f"vpq_{key.split('_')[1]}:{value:.4f}" for key, value in final.items()] == printed
    sequences = summary["per_sequence"].values()
    official_names = {"STQ": "STQ", "AQ": "AQ", "SQ": "IoU"}
    tracking = {official: summary[key] for key, official in official_names.items()}
    tracking |= {f"{official}_per_seq": [own[key] for own in sequences] for key, official in official_names.items()}
    tracking["Length_per_seq"] = [own["frames"] for own in sequences]
    assert_equal_numbers({"VPQ": {"final": final, "windows": windows}, "STQ": tracking}, expected)
    assert_equal_numbers(summary["VPQ_k"], {name: 100 * windows[f"nframes={name}"]["all"]["pq"] for name in summary["VPQ_k"]})


def numbered(video, first):
    """Classes and instance numbers [t, h, w]: ids are numbered in the order in which the video lists them."""
    order = list(dict.fromkeys(segment["id"] for frame in video.segments for segment in frame))
    category, number = np.full_like(video.ids, 255), np.zeros_like(video.ids)
    for index, segment_id in enumerate(order):
        category[video.ids == segment_id] = panoptic.CATEGORY_OF_ID[segment_id]
        number[video.ids == segment_id] = first + index
    return category, number


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_definition(tmp_path, seed, fixed):
    rng = np.random.default_rng(seed)
    pairs = [panoptic.draw_pair(rng, frames, share) for frames, share in ((9, 0.1), (4, 0.4), (10, 0.0))]
    for side in pairs[0]:  # a thing is the first id
        for frame in side.segments:
            frame.reverse()
    summary = evaluated(Vipseg(*write(tmp_path, pairs), fixed=fixed)).summary
    expected = brute_vpq.vpq([panoptic.as_brute(*pair) for pair in pairs], panoptic.ISTHING, WINDOWS)[1]
    masks = [(*numbered(true, int(fixed)), *numbered(predicted, int(fixed))) for true, predicted in pairs]
    tracking = brute_stq.stq(masks, 14, (11, 13))
    expected |= {"STQ": tracking["STQ"], "AQ": tracking["AQ"], "SQ": tracking["IoU"]}
    assert_equal_numbers({key: summary[key] for key in (*VPQ, *STQ)}, expected)


def test_perfect_predictions_have_everything(tmp_path):
    true, _ = panoptic.draw_pair(np.random.default_rng(3), 9, 0.0)
    result = evaluated(Vipseg(*write(tmp_path, [(true, true)])))
    assert [result.summary[key] for key in VPQ] == [100.0] * 3
    assert [result.summary[key] for key in STQ] == [1.0] * 3
    assert result.warnings == [PERFECT]


def test_the_first_thing_is_a_crowd_unless_fixed(tmp_path):
    """Of two persons the one that is listed first is missed: the official tool sees no other."""
    ids = np.tile([[300, 300, 70000, 5]], (8, 1, 1))
    missed = np.where(ids == 300, 5, ids)
    folders = write(tmp_path, [(panoptic.with_segments(ids), panoptic.with_segments(missed))])
    panoptic.edit(folders[0] / GT_JSON, lambda c: [f["segments_info"].sort(key=lambda s: s["id"] != 300) for f in frames_of(c)])
    assert evaluated(Vipseg(*folders)).summary["AQ"] == 1.0
    assert evaluated(Vipseg(*folders, fixed=True)).summary["AQ"] == 0.5


def frames_of(content, video=0):
    return content["annotations"][video]["annotations"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c["annotations"].pop(), r"pred.json: 1 of 2 videos missing: 1_abc"),
        (lambda c: frames_of(c).pop(), "video 0_abc: expected 9 annotations, one a frame, found 8"),
        (
            lambda c: frames_of(c).reverse(),
            r"video 0_abc: annotations\[0\]: expected frame 00000010.png .*, found 00000066.jpg",
        ),
        (lambda c: frames_of(c)[2].pop("segments_info"), "0_abc/00000024.png: the key 'segments_info' is missing"),
        (lambda c: frames_of(c)[2]["segments_info"][0].update(category_id=124), "unknown category_id 124"),
        (lambda c: frames_of(c)[2]["segments_info"].pop(), r"0_abc/00000024.png: segment id \d+ is in the PNG but"),
        (lambda c: frames_of(c).__setitem__(0, None), "0_abc/00000010.png: expected an object"),
        (lambda c: c["annotations"].append(c["annotations"][0]), r"annotations\[2\]: the video_id '0_abc' is there twice"),
        (lambda c: c["annotations"][1].update(video_id=1), "expected a string as 'video_id', found 1"),
    ],
)
def test_broken_results(folders, change, reason):
    gt, pred = folders
    panoptic.edit(pred / "pred.json", change)
    with pytest.raises(DataError, match=reason):
        evaluated(Vipseg(gt, pred))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c["videos"].clear(), "no videos"),
        (lambda c: c["videos"].append(c["videos"][0]), "the video_id '0_abc' is there twice"),
        (lambda c: c["videos"][0]["images"].clear(), "video 0_abc has no images"),
        (lambda c: c["videos"][0]["images"].pop(), "expected 8 annotations, one a frame, found 9"),
    ],
)
def test_broken_ground_truth(folders, change, reason):
    gt, pred = folders
    panoptic.edit(gt / GT_JSON, change)
    with pytest.raises(DataError, match=reason):
        Vipseg(gt, pred)


def test_broken_files(folders):
    gt, pred = folders
    path = pred / "pan_pred" / "1_abc" / "00000017.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"1_abc/00000017\.png"):
        evaluated(Vipseg(gt, pred))
    path.unlink()
    with pytest.raises(DataError, match=r"1_abc: 1 of 3 frames missing: 00000017.png"):
        Vipseg(gt, pred)
    (pred / "pred.json").write_text('{"annotations": [')
    with pytest.raises(DataError, match=r"pred.json: not JSON, or cut off"):
        Vipseg(gt, pred)
    with pytest.raises(DataError, match=r"did you mean --pred=\S*/ours\?"):
        Vipseg(gt, pred.parent)


def test_a_black_result_is_named(folders):
    gt, pred = folders
    for path in (pred / "pan_pred").glob("*/*.png"):
        Image.new("RGB", (12, 8)).save(path)
    panoptic.edit(pred / "pred.json", lambda c: [f.update(segments_info=[]) for video in (0, 1) for f in frames_of(c, video)])
    result = evaluated(Vipseg(gt, pred))
    assert (result.summary["VPQ"], result.summary["STQ"]) == (0.0, 0.0)
    assert result.warnings == ["every prediction is void: no labelled pixel of the ground truth has a predicted class"]
