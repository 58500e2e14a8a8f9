"""DAVIS results against the evaluation of drawn ground truth."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from tarvis_jax.evaluation.davis import Davis
from tarvis_jax.inference.writers.davis import DavisWriter
from tests.evaluation.davis_folders import DavisFolders
from tests.evaluation.evaluated import evaluated
from tests.inference.writers import drawn

SCORES = {  # J of objects 1 and 2
    "perfect": (lambda ids: ids, (1, 1)),
    "removed": (drawn.removed, (1, 0)),
    "swapped": (drawn.swapped, (0, 0)),
    "shifted": (drawn.shifted, (1, drawn.SHIFTED_IOU)),
}


@pytest.mark.parametrize("damage", SCORES)
def test_scores(tmp_path, damage):
    change, expected = SCORES[damage]
    folders = DavisFolders(tmp_path)
    folders.add("drawn", drawn.labels(), drawn.labels())
    results = [(drawn.make_video(), drawn.object_results(change(drawn.labels())))]
    summary = evaluated(Davis(folders.gt, drawn.write(DavisWriter("val"), results, tmp_path / "out"), year=2017)).summary
    found = [summary["per_object"][f"drawn_{i}"]["J-Mean"] for i in (1, 2)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    if damage == "perfect":
        assert summary["J&F-Mean"] == 1


def test_frames_without_objects_are_written(tmp_path):
    drawn.write(DavisWriter("val"), [(drawn.make_video(), drawn.object_results(0 * drawn.labels()))], tmp_path)
    assert [path.name for path in sorted((tmp_path / "drawn").iterdir())] == [f"{t:05d}.png" for t in range(drawn.FRAMES)]
    with Image.open(tmp_path / "drawn" / "00000.png") as image:
        assert image.mode == "P"
        assert not np.asarray(image).any()
        assert image.getpalette()[3:9] == [128, 0, 0, 0, 128, 0]  # the palette of DAVIS


def test_hidden_splits_are_zipped(tmp_path):
    results = drawn.object_results(drawn.labels())
    videos = [(drawn.make_video(name), results) for name in ("b", "a")]
    drawn.write(DavisWriter("test-dev"), videos, tmp_path)
    with zipfile.ZipFile(tmp_path / "test-dev.zip") as archive:
        assert archive.namelist() == [f"{name}/{t:05d}.png" for name in ("b", "a") for t in range(drawn.FRAMES)]
        assert archive.read("a/00003.png") == (tmp_path / "a" / "00003.png").read_bytes()
