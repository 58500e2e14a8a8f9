"""The report at the end of a run: its table, its baselines, its contact sheets."""

import numpy as np
import pytest

from data.toy.davis import object_ids
from tarvis_jax.config import EvalConfig
from tarvis_jax.inference.results import FrameResult
from tarvis_jax.training.baselines import BASELINES
from tarvis_jax.training.evaluation import SegmentedVideo, draw_object_videos
from tarvis_jax.training.report import draw_contact_sheet, format_table, score_baselines


@pytest.fixture(scope="module")
def videos():
    return draw_object_videos(EvalConfig(videos=3, image_size=64))


def test_table_has_a_column_for_each_evaluation_and_baseline():
    first, last = (
        {"kind": "eval", "step": step, "vos_J&F": score, "vis_AP": 2 * score} for step, score in ((0, 1.0), (9, 4.04))
    )
    lines = format_table(first, last, {"still": {"J&F": 20.0, "HOTA": 30.0}}).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["", "after 0 steps", "after 9 steps", "still"]
    assert cells[2:] == [["VOS J&F", "1.0", "4.0", "20.0"], ["VIS AP", "2.0", "8.1", ""]]


def test_baselines_are_scored_on_all_videos(videos):
    scores = score_baselines(videos)
    assert set(scores) == set(BASELINES)
    assert scores["nothing"]["HOTA"] == 0
    for values in scores.values():
        assert all(0 <= value < 100 for value in values.values())
        assert values["J&F"] > 0  # even of nothing, where objects are absent


def test_contact_sheet_shows_the_best_the_median_and_the_worst(videos):
    segmented = []
    for score, video in zip((20.0, 90.0, 50.0), videos, strict=True):
        frames = [
            FrameResult(t, {i: ids == i for i in np.unique(ids).tolist() if i}) for t, ids in enumerate(object_ids(video))
        ]
        segmented.append(SegmentedVideo(video, frames, [], score))
    strips = np.split(draw_contact_sheet("vos", segmented), 6)
    caption = 26
    for truth, model in zip(strips[::2], strips[1::2], strict=True):
        assert (truth[caption:] == model[caption:]).all()  # what was predicted is the ground truth
    bodies = [strip[caption:] for strip in strips[::2]]
    again = [np.split(draw_contact_sheet("vos", [segmented[i]]), 6)[0][caption:] for i in (1, 2, 0)]
    assert all((a == b).all() for a, b in zip(bodies, again, strict=True))
