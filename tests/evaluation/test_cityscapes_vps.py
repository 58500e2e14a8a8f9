"""Cityscapes-VPS against the official tool's stored numbers, and its answers to broken files."""

import itertools
import json
import re

import numpy as np
import pytest
from PIL import Image

from data.errors import DataError
from tarvis_jax.evaluation.benchmark import PERFECT
from tarvis_jax.evaluation.cityscapes_vps import CityscapesVps
from tests.evaluation import brute_vpq, panoptic
from tests.evaluation.evaluated import evaluated
from tests.evaluation.nested import assert_equal_numbers

GT_JSON = "panpotic_gt_val_city_vps.json"
WINDOWS = {1: "0", 2: "5", 3: "10", 4: "15"}


def write(folder, pairs):
    """Ground truth and result of videos; returns the two folders."""
    gt, pred = folder / "gt", folder / "pred" / "ours"
    images, true_entries, pred_entries = [], [], []
    for video, (true, predicted) in enumerate(pairs):
        for t in range(len(true.ids)):
            name = f"{video:04d}_{t:04d}_city_000000_{5 * t:06d}"
            images.append({"id": name, "file_name": f"{name}_newImg8bit.png", "width": 12, "height": 8})
            true_entries.append({"image_id": name, "segments_info": true.segments[t]})
            pred_entries.append({"segments_info": predicted.segments[t]})
            panoptic.save_rgb(gt / "panoptic_video" / f"{name}_final_mask.png", true.ids[t])
            panoptic.save_rgb(pred / "pan_pred" / f"{name}.png", predicted.ids[t])
    content = {"images": images, "annotations": true_entries, "categories": panoptic.CATEGORIES}
    (gt / GT_JSON).write_text(json.dumps(content))
    (pred / "pred.json").write_text(json.dumps({"annotations": pred_entries}))
    return gt, pred


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    return write(tmp_path, [panoptic.draw_pair(rng, 6, 0.1) for _ in range(2)])


@pytest.mark.parametrize("method", ["mild", "strong", "perfect"])
def test_agrees_with_the_official_tool(shared, method):
    case = shared / "evaluation" / "vpq" / "vpqA"
    result = evaluated(CityscapesVps(case / "gt", case / "pred" / method))
    expected = json.loads((case / "expected" / f"{method}.json").read_text())
    printed = expected.pop("official_stdout_tail")
    windows = {}
    for size, name in WINDOWS.items():
        quality = dict(result.summary["windows"][name])
        quality["per_class"] = {key.removeprefix("c"): value for key, value in quality["per_class"].items()}
        windows[f"k={name},nframes={size}"] = quality
    final = {"VPQ_all": result.summary["VPQ"]} | {key: result.summary[key] for key in ("VPQ_thing", "VPQ_stuff")}
    assert_equal_numbers({"final": final, "windows": windows}, expected)
    assert_equal_numbers(final, {key: float(value) for key, value in re.findall(r"(VPQ_\w+): +([\d.]+)", printed)})
    official = {name: 100 * expected["windows"][f"k={name},nframes={size}"]["all"]["pq"] for size, name in WINDOWS.items()}
    assert_equal_numbers(result.summary["VPQ_k"], official)
    assert result.warnings == [PERFECT] * (method == "perfect")


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_the_definition(tmp_path, seed):
    rng = np.random.default_rng(seed)
    pairs = [panoptic.draw_pair(rng, 6, share) for share in (0.0, 0.1, 0.4)]
    result = evaluated(CityscapesVps(*write(tmp_path, pairs)))
    videos = [panoptic.as_brute(*pair) for pair in pairs]
    assert_equal_numbers(
        {key: result.summary[key] for key in ("VPQ", "VPQ_thing", "VPQ_stuff")},
        brute_vpq.vpq(videos, panoptic.ISTHING, WINDOWS)[1],
    )
    for name, video in zip(("0000", "0001", "0002"), videos, strict=True):
        assert_equal_numbers(result.summary["per_sequence"][name], brute_vpq.vpq([video], panoptic.ISTHING, WINDOWS)[1])


def test_perfect_predictions_have_100(tmp_path):
    true, _ = panoptic.draw_pair(np.random.default_rng(3), 6, 0.0)
    summary = evaluated(CityscapesVps(*write(tmp_path, [(true, true)]))).summary
    assert (summary["VPQ"], summary["VPQ_thing"], summary["VPQ_stuff"]) == (100.0, 100.0, 100.0)


def test_areas_of_the_ground_truth_come_from_its_json(folders):
    """As in the official tool: a larger area there lowers every IoU."""
    gt, pred = folders
    before = evaluated(CityscapesVps(gt, pred)).summary["windows"]["0"]["per_class"]["road"]

    def enlarge(content):
        for segment in itertools.chain.from_iterable(e["segments_info"] for e in content["annotations"]):
            segment["area"] += 1

    panoptic.edit(gt / GT_JSON, enlarge)
    after = evaluated(CityscapesVps(gt, pred)).summary["windows"]["0"]["per_class"]["road"]
    assert after["sq"] < before["sq"]


def test_areas_of_true_segments_that_share_an_id_add_up(folders):
    expected = evaluated(CityscapesVps(*folders)).summary

    def split(content):
        for annotation in content["annotations"]:
            first = annotation["segments_info"][0]
            annotation["segments_info"].append(first | {"area": first["area"] - 1})
            first["area"] = 1

    panoptic.edit(folders[0] / GT_JSON, split)
    assert_equal_numbers(evaluated(CityscapesVps(*folders)).summary, expected)


@pytest.mark.parametrize(
    ("gt", "pred", "reason"),
    [
        ("gt/panoptic_video", "pred/ours", rf"--gt=.*{GT_JSON} missing, panoptic_video missing; .*did you mean --gt=\S*/gt\?"),
        (".", "pred/ours", r"did you mean --gt=\S*/gt\?"),
        ("gt", "pred", r"--pred=.*pred.json missing, pan_pred missing; found ours/; did you mean --pred=\S*/ours\?"),
        ("gt", "pred/ours/pan_pred", r"did you mean --pred=\S*/ours\?"),
    ],
)
def test_wrong_folders(folders, tmp_path, gt, pred, reason):
    with pytest.raises(DataError, match=reason):
        CityscapesVps(tmp_path / gt, tmp_path / pred)


def entry(content, index=3):
    return content["annotations"][index]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c["annotations"].pop(), "expected 12 annotations, one for each image of the ground truth, found 11"),
        (
            lambda c: entry(c).update(image_id="0001_0000"),
            "annotations.3.: expected image '0000_0003_.*the order of the ground truth",
        ),
        (lambda c: entry(c).pop("segments_info"), "image 0000_0003_city_000000_000015: the key 'segments_info' is missing"),
        (
            lambda c: entry(c)["segments_info"][0].update(category_id=2),
            r"unknown category_id 2; expected one of the .* 4 \(0 .. 13\)",
        ),
        (
            lambda c: entry(c)["segments_info"][0].update(category_id="road"),
            "expected a whole number as 'category_id', found 'road'",
        ),
        (lambda c: entry(c)["segments_info"].append(entry(c)["segments_info"][0]), "the id 5 is there twice"),
        (lambda c: entry(c)["segments_info"].pop(0), r"000015.png: segment id 5 is in the PNG but not in segments_info"),
        (
            lambda c: entry(c)["segments_info"].append({"id": 4, "category_id": 0}),
            "segment id 4 is in segments_info of the JSON but",
        ),
        (lambda c: c["annotations"].__setitem__(3, "x"), r"annotations\[3\]: expected an object"),
        (lambda c: c.pop("annotations"), "the key 'annotations' is missing; found none"),
    ],
)
def test_broken_results(folders, change, reason):
    gt, pred = folders
    panoptic.edit(pred / "pred.json", change)
    with pytest.raises(DataError, match=reason):
        evaluated(CityscapesVps(gt, pred))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c["images"].reverse(), "images must be sorted by file_name"),
        (lambda c: c["annotations"].reverse(), "annotations.0.: expected image '0000_0000_"),
        (lambda c: c["categories"].append(c["categories"][0]), "the id 0 is there twice"),
        (lambda c: c["categories"].clear(), "no categories"),
        (lambda c: c["categories"][0].update(id=255), r"the id 255: expected 0 \.\. 254"),
        (lambda c: c["categories"].pop(0), "unknown category_id 0"),
        (lambda c: c["images"].append(c["images"][0]), "is there twice"),
        (lambda c: c["images"].clear(), "no images"),
        (
            lambda c: (c["images"].pop(), c["annotations"].pop()),
            "expected 6 annotated frames a video, found 5 of video 0001",
        ),
        (lambda c: entry(c)["segments_info"][0].pop("area"), "the key 'area' is missing"),
        (lambda c: entry(c)["segments_info"][0].update(area=1), "than its area in the JSON allows"),
    ],
)
def test_broken_ground_truth(folders, change, reason):
    gt, pred = folders
    panoptic.edit(gt / GT_JSON, change)
    with pytest.raises(DataError, match=reason):
        evaluated(CityscapesVps(gt, pred))


def test_broken_images(folders):
    gt, pred = folders
    path = pred / "pan_pred" / "0001_0002_city_000000_000010.png"
    Image.new("RGB", (12, 9)).save(path)
    with pytest.raises(DataError, match=rf"{path.name}: expected the ground truth's size \(h, w\) \(8, 12\), found \(9, 12\)"):
        evaluated(CityscapesVps(gt, pred))
    Image.new("P", (12, 8)).save(path)
    with pytest.raises(DataError, match=rf"{path.name}: expected an RGB PNG of ids .*, found an image of mode P"):
        evaluated(CityscapesVps(gt, pred))
    path.unlink()
    with pytest.raises(DataError, match=rf"1 of 12 frames missing: {path.name}"):
        CityscapesVps(gt, pred)


def test_inconsistent_ground_truth_is_named(folders):
    gt, pred = folders
    panoptic.edit(gt / GT_JSON, lambda content: entry(content, 7)["segments_info"].pop())
    warnings = evaluated(CityscapesVps(gt, pred)).warnings
    assert any(re.match("segments of the ground truth are in its PNGs or its JSON alone, in 0001", line) for line in warnings)


def test_warnings_about_void(tmp_path):
    true, _ = panoptic.draw_pair(np.random.default_rng(0), 6, 0.0)
    nothing = panoptic.with_segments(np.zeros_like(true.ids))
    result = evaluated(CityscapesVps(*write(tmp_path, [(true, nothing)])))
    assert result.summary["VPQ"] == 0.0
    assert any(line.startswith("every prediction is void") for line in result.warnings)


def test_groups_without_segments_are_named(tmp_path):
    stuff = panoptic.with_segments(np.full((6, 8, 12), 5))
    result = evaluated(CityscapesVps(*write(tmp_path, [(stuff, stuff)])))
    assert result.summary["VPQ"] == 100.0
    assert np.isnan(result.summary["VPQ_thing"])
    assert result.warnings[0] == "VPQ_thing: no segments in windows of 1 frames, so NaN (the official tool stops)"
