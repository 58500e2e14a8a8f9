"""DAVIS through the command: the official tool's stored results, its rules, and what it says nothing about."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from tarvis_jax.evaluation.davis import Davis
from tests.evaluation import brute_davis
from tests.evaluation.davis_folders import distorted, link_frames, moving_boxes, save_ids
from tests.evaluation.nested import assert_equal_numbers

STORED = [
    ("synA", "perfect"),
    ("synA", "distort"),
    ("synA", "drop"),
    ("synA", "bad"),
    ("synB", "distort"),
    ("synB", "empty"),
    ("synB", "bad"),
    ("quirk_long", "distort"),
    ("real_single", "osvos"),
    ("real_multi", "distort"),
    ("real_multi", "bad"),
]


@pytest.mark.parametrize(("case", "method"), STORED)
def test_stored_results(shared, tmp_path, run, case, method):
    """Global, per object and per frame values, and both CSV files byte for byte."""
    folder = shared / "evaluation" / "davis" / case
    flags = ["davis", f"--gt={folder / 'gt'}", f"--pred={folder / 'pred' / method}", f"--output={tmp_path}"]
    assert run(*flags)[0] == 0
    found = json.loads((tmp_path / "results.json").read_text())
    expected = json.loads((folder / "expected" / method / "expected.json").read_text())
    per_object = {row.pop("name"): row for row in expected["per_object"]}
    assert_equal_numbers(found, {**expected["global"], "per_object": per_object})
    for name in ("global_results-val.csv", "per-sequence_results-val.csv"):
        assert (tmp_path / name).read_bytes() == (folder / "expected" / method / name).read_bytes()
    benchmark = Davis(folder / "gt", folder / "pred" / method)
    assert list(expected["per_frame"]) == benchmark.videos
    for name, frames in expected["per_frame"].items():
        assert benchmark.scored_frames(name) == frames["frames"]
        state = benchmark.evaluate_video(name)
        assert_equal_numbers({measure: state[measure] for measure in "JF"}, {measure: frames[measure] for measure in "JF"})


def test_fixed_mends_the_decay_of_long_sequences(shared, tmp_path, run):
    folder = shared / "evaluation" / "davis" / "quirk_long"
    run("davis", f"--gt={folder / 'gt'}", f"--pred={folder / 'pred' / 'distort'}", f"--output={tmp_path}", "--fixed")
    found = json.loads((tmp_path / "results.json").read_text())
    frames = json.loads((folder / "expected" / "distort" / "expected.json").read_text())["per_frame"]["long270"]
    values = np.array(frames["J"][0])
    assert len(values) == 268  # quarters end at frames 0, 67, 134 (round half to even of 133.5 + 1), 200, 267
    assert found["J-Decay"] == pytest.approx(values[:68].mean() - values[200:].mean(), abs=1e-9)
    assert not math.isnan(found["F-Decay"])


def _scores(run, davis, *flags):
    status, out, err = run(*davis.flags(f"--output={davis.output}", "--overwrite", *flags))
    assert status == 0, err
    return davis.results(), out, err


def test_random_sequences(davis, run):
    rng = np.random.default_rng(0)
    expected = {}
    for name in ("zebra", "ant", "cow"):  # rows keep the list's order
        gt = moving_boxes(rng, objects=3)
        pred = distorted(rng, gt)
        gt[:, :5, :5] = 255
        davis.add(name, gt, pred)
        expected |= {f"{name}_{i + 1}": pair for i, pair in enumerate(zip(*brute_davis.sequence_scores(gt, pred), strict=True))}
    found = _scores(run, davis)[0]
    assert list(found["per_object"]) == list(expected)
    for name, pair in expected.items():
        row = found["per_object"][name]
        for measure, values in zip("JF", pair, strict=True):
            assert row[f"{measure}-Mean"] == pytest.approx(values.mean(), abs=1e-12)
            assert row[f"{measure}-Recall"] == (values > 0.5).mean()
    assert found["J&F-Mean"] == pytest.approx(np.mean([np.mean(pair) for pair in expected.values()]), abs=1e-12)


def test_first_and_last_results_are_not_read(davis, run):
    gt = moving_boxes(np.random.default_rng(1))
    davis.add("a", gt, gt)
    davis.path("a", 0).unlink()
    davis.path("a", 4).write_bytes(b"not an image")
    assert _scores(run, davis)[0]["J&F-Mean"] == 1


def test_objects_are_those_of_the_first_frame(davis, run):
    """Also ids that the first frame skips; later ids are background, as void is."""
    gt = np.zeros((4, 20, 20), np.uint8)
    gt[:, 2:8, 2:8] = 3
    gt[2, 10:15, 10:15] = 4
    gt[:, 16:, :] = 255
    davis.add("a", gt, np.where(gt == 3, 3, 0))
    found = _scores(run, davis)[0]
    assert {name: row["J-Mean"] for name, row in found["per_object"].items()} == {"a_1": 1, "a_2": 1, "a_3": 1}


def test_no_objects(davis, run):
    davis.add("a", np.zeros((4, 9, 9)), np.zeros((4, 9, 9)))
    found = _scores(run, davis)[0]
    assert found.pop("per_object") == {}
    assert all(math.isnan(value) for value in found.values())
    assert (davis.output / "global_results-val.csv").read_text().endswith("\n,,,,,,\n")


def test_a_full_frame_has_no_boundary(davis, run):
    davis.add("a", np.ones((4, 9, 9)), np.zeros((4, 9, 9)))
    row = _scores(run, davis)[0]["per_object"]["a_1"]
    assert (row["J-Mean"], row["F-Mean"]) == (0, 1)


def test_grey_results(davis, run):
    gt = moving_boxes(np.random.default_rng(2))
    davis.add("a", gt, gt)
    for t, ids in enumerate(gt):
        save_ids(davis.path("a", t), ids, palette=False)
    assert _scores(run, davis)[0]["J-Mean"] == 1


@pytest.mark.parametrize("layout", ["names", "frames"])
def test_davis_2016(davis, run, layout):
    """One object, everything that is not black, whatever its value; one official mask is RGBA."""
    rng = np.random.default_rng(3)
    gt = moving_boxes(rng)
    pred = distorted(rng, gt)
    davis.add("bear", gt * 40, pred)
    folder = davis.gt / "ImageSets" / ("2016" if layout == "names" else "480p")
    folder.mkdir()
    davis.list.unlink()
    frames = "".join(f"/JPEGImages/480p/bear/{t:05d}.jpg /Annotations/480p/bear/{t:05d}.png\n" for t in range(len(gt)))
    (folder / "val.txt").write_text("bear\n" if layout == "names" else frames)
    grey = np.where(gt[2] > 0, 255, 0).astype(np.uint8)
    Image.merge("RGBA", [Image.fromarray(x) for x in (grey, grey, grey, grey | 255)]).save(
        davis.gt / "Annotations/480p/bear/00002.png"
    )
    region, contour = brute_davis.sequence_scores((gt > 0).astype(np.uint8), (pred > 0).astype(np.uint8))
    found = _scores(run, davis, "--year=2016")[0]
    assert list(found["per_object"]) == ["bear_1"]
    assert (found["J-Mean"], found["F-Mean"]) == pytest.approx((region.mean(), contour.mean()), abs=1e-12)


def test_an_object_of_2016_that_comes_later(davis, run):
    gt = moving_boxes(np.random.default_rng(5), objects=1)
    gt[0] = 0
    davis.add("late", gt, gt)
    davis.list.parent.rename(davis.list.parent.with_name("2016"))
    found = _scores(run, davis, "--year=2016")[0]
    assert found["per_object"]["late_1"]["J-Mean"] == 1


def test_real_davis_2016(shared, davis, run):
    """Ground truth as published; as its own result it is perfect."""
    sample = shared / "samples" / "davis2016" / "Annotations" / "480p"
    names = ["blackswan", "dog"]
    (davis.gt / "ImageSets" / "2016").mkdir()
    (davis.gt / "ImageSets" / "2016" / "val.txt").write_text("\n".join(names))
    for name in names:
        link_frames(davis.gt / "Annotations" / "480p" / name, sorted((sample / name).glob("*.png"))[:5], 5)
    davis.pred = sample
    found, _, err = _scores(run, davis, "--year=2016")
    assert found["J&F-Mean"] == 1 and list(found["per_object"]) == ["blackswan_1", "dog_1"]
    assert "is --pred the ground truth itself?" in err


def test_warnings(davis, run):
    """Numbers that the official tool gives in silence."""
    gt = np.zeros((4, 30, 30), np.uint8)
    gt[:, 2:10, 2:10], gt[:, 15:25, 15:25] = 1, 2
    davis.add("black", gt, np.zeros_like(gt))
    davis.add("permuted", gt, np.where(gt > 0, 3 - gt, 0))
    davis.add("shifted", gt, np.maximum(gt, 1) - 1)
    davis.add("good", gt, np.roll(gt, 1, axis=1))
    davis.add("half", gt, np.where(gt == 1, 0, gt))
    davis.add("never", np.where(gt == 1, 0, gt), np.where(gt == 1, 0, gt))
    found, _, err = _scores(run, davis)
    assert found["per_object"]["permuted_1"]["J-Mean"] == 0
    lines = err.splitlines()
    assert len(lines) == 4 and all(line.startswith("warning: ") for line in lines)
    assert "every mask is black in 1 of 6 sequences: black" in lines[0]
    assert lines[1] == "warning: no mask has a pixel of 2 objects: shifted_2, half_1"
    assert "permuted: predicted ids lie on other objects (1 lies on 2, 2 lies on 1)" in lines[2]
    assert "shifted: predicted ids lie on other objects (1 lies on 2)" in lines[3]


def test_5000_frames(davis, run):
    """The values of a long sequence are those of the frames that it repeats."""
    rng = np.random.default_rng(4)
    gt = moving_boxes(rng, frames=7, height=16, width=20)
    pred = distorted(rng, gt)
    davis.add("short", gt, pred)
    davis.list.write_text("long\n")
    for folder in (davis.gt / "Annotations" / "480p", davis.pred):
        link_frames(folder / "long", sorted((folder / "short").glob("*.png")), 5000)
    order = np.arange(5000) % 7
    region, contour = brute_davis.sequence_scores(gt[[0, *range(7), 0]], pred[[0, *range(7), 0]])
    found = _scores(run, davis)[0]["per_object"]
    for i in range(len(region)):
        row = found[f"long_{i + 1}"]
        assert row["J-Mean"] == pytest.approx(region[i][order[1:-1]].mean(), abs=1e-12)
        assert row["F-Mean"] == pytest.approx(contour[i][order[1:-1]].mean(), abs=1e-12)


def test_200_objects(davis, run):
    cells = np.arange(1, 201, dtype=np.uint8).reshape(10, 20)
    frame = np.kron(cells, np.ones((8, 6), np.uint8))
    frame[:, ::6] = 0
    gt = np.stack([frame] * 3)
    pred = np.roll(gt, 2, axis=2)
    davis.add("many", gt, pred)
    region, contour = brute_davis.sequence_scores(gt, pred)
    found = _scores(run, davis)[0]["per_object"]
    assert [row["J-Mean"] for row in found.values()] == pytest.approx(region.mean(axis=1).tolist(), abs=1e-12)
    assert [row["F-Mean"] for row in found.values()] == pytest.approx(contour.mean(axis=1).tolist(), abs=1e-12)
