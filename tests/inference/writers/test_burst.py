"""BURST results against the evaluation of drawn ground truth."""

import dataclasses
import json

import pytest

from data.videos.burst import BurstVideo
from tarvis_jax.evaluation.burst import Burst
from tarvis_jax.inference.writers.burst import BurstWriter
from tests.evaluation import burst_folders
from tests.evaluation.evaluated import evaluated
from tests.inference.writers import drawn
from tests.inference.writers.truth import burst_file

CATEGORIES = {1: 1, 2: 78}  # acorn, bear
# Of the 19 thresholds 0.05, 0.10, ..., 0.95, those that object 2 passes
PASSED = sum(0.05 * i <= drawn.SHIFTED_IOU for i in range(1, 20))
SCORES = {
    "perfect": (lambda ids: ids, 100),
    "removed": (drawn.removed, 50),
    "swapped": (drawn.swapped, 0),
    "shifted": (drawn.shifted, 100 * (19 + PASSED) / 38),
}


def make_video(truth):
    """The sequence as the reader describes it: from the second frame on, with a frame between that is not annotated."""
    (entry,) = truth["sequences"]
    video = drawn.make_video("YFCC100M/clip7", entry=entry)
    files = [video.frames[0].with_name(name) for name in entry["annotated_image_paths"]][1:]
    frames = (files[0], files[0].with_name("between.jpg"), *files[1:])
    reported = tuple(i for i in range(len(frames)) if i != 1)
    header = {key: truth[key] for key in ("split", "categories")}
    values = dataclasses.asdict(video) | {"frames": frames, "reported": reported}
    return BurstVideo(**values, header=header)


def make_results(video, ids):
    results = drawn.object_results(ids[1:])
    return [dataclasses.replace(result, frame_index=i) for i, result in zip(video.reported, results, strict=True)]


@pytest.mark.parametrize("damage", SCORES)
def test_scores(tmp_path, damage):
    change, expected = SCORES[damage]
    truth = burst_file(drawn.labels(), CATEGORIES)
    video = make_video(truth)
    folders = burst_folders.BurstFolders(tmp_path)
    folders.write(truth)
    drawn.write(BurstWriter(), [(video, make_results(video, change(drawn.labels())))], tmp_path)
    summary = evaluated(Burst(folders.gt, tmp_path / "results.json")).summary
    assert summary["HOTA_all"] == pytest.approx(expected, rel=1e-12)


def test_the_file_is_that_of_the_annotations_with_other_masks(tmp_path):
    truth = burst_file(drawn.labels(), CATEGORIES)
    video = make_video(truth)
    drawn.write(BurstWriter(), [(video, make_results(video, drawn.removed(drawn.labels())))], tmp_path)
    result = json.loads((tmp_path / "results.json").read_text())
    segmentations = result["sequences"][0].pop("segmentations")
    true = truth["sequences"][0].pop("segmentations")
    assert result == truth
    assert segmentations == [{}, *({"1": {"rle": masks["1"]["rle"], "is_gt": False}} for masks in true[1:])]
