"""YouTube-VIS results against the evaluation of drawn ground truth."""

import json
import zipfile

import numpy as np
import pytest

from tarvis_jax.evaluation.ytvis import YoutubeVis
from tarvis_jax.inference.results import FrameResult
from tarvis_jax.inference.writers.youtube_vis import YoutubeVisWriter
from tests.evaluation.brute_burst import decode
from tests.evaluation.evaluated import evaluated
from tests.inference.writers import drawn, truth

CLASSES = {1: 4, 2: 24}  # class indices, of ids 5 and 25
PASSED = sum(threshold <= 100 * drawn.SHIFTED_IOU for threshold in range(50, 100, 5))
SCORES = {
    "perfect": (lambda ids: ids, 1),
    "removed": (drawn.removed, 0.5),
    "swapped": (drawn.swapped, 0),
    "shifted": (drawn.shifted, (1 + PASSED / 10) / 2),
}


def make_videos():
    """Two videos; the second is empty."""
    return [drawn.make_video(name, entry={"id": i}) for i, name in ((3, "drawn"), (1, "empty"))]


def make_results(ids):
    """Results whose instances are those of the tracks 1 and 2."""
    return [FrameResult(t, {}, instances=[x == i if (x == i).any() else None for i in CLASSES]) for t, x in enumerate(ids)]


@pytest.mark.parametrize("damage", SCORES)
def test_scores(tmp_path, damage):
    change, expected = SCORES[damage]
    videos, found = make_videos(), drawn.tracks("youtube_vis", CLASSES)
    results = [(videos[0], make_results(change(drawn.labels())), found), (videos[1], make_results(0 * drawn.labels()))]
    drawn.write(YoutubeVisWriter(), results, tmp_path)
    truth.write_youtube_vis(tmp_path / "gt.json", drawn.labels(), CLASSES)
    result = evaluated(YoutubeVis(tmp_path / "gt.json", tmp_path / "results.json", "youtube_vis"))
    assert result.summary["AP"] == pytest.approx(expected, rel=1e-12)


def test_a_video_without_tracks_is_no_error(tmp_path):
    empty = [FrameResult(t, {}, instances=[]) for t in range(drawn.FRAMES)]
    drawn.write(YoutubeVisWriter(), [(make_videos()[1], empty)], tmp_path)
    assert json.loads((tmp_path / "results.json").read_text()) == []


def test_rows_have_an_entry_for_every_frame_and_are_zipped(tmp_path):
    ids = drawn.labels()
    ids[2:4] = 0
    drawn.write(YoutubeVisWriter(), [(make_videos()[0], make_results(ids), drawn.tracks("youtube_vis", CLASSES))], tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [(row["video_id"], row["category_id"], row["score"]) for row in rows] == [(3, 5, 0.9), (3, 25, 0.9)]
    for i, row in enumerate(rows, start=1):
        assert set(row) == {"video_id", "score", "category_id", "segmentations"}
        assert [x is None for x in row["segmentations"]] == [t in (2, 3) for t in range(drawn.FRAMES)]
        assert row["segmentations"][5]["size"] == list(drawn.SIZE)
        np.testing.assert_array_equal(decode(row["segmentations"][5]["counts"], drawn.SIZE), ids[5] == i)
    with zipfile.ZipFile(tmp_path / "results.zip") as archive:
        assert archive.namelist() == ["results.json"]
        assert json.loads(archive.read("results.json")) == rows
