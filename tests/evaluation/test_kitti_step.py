"""KITTI-STEP against the official tool's stored numbers, and its answers to broken folders."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from data.errors import DataError
from tarvis_jax.evaluation.benchmark import PERFECT
from tarvis_jax.evaluation.kitti_step import KittiStep
from tests.evaluation import brute_stq
from tests.evaluation.evaluated import evaluated
from tests.evaluation.nested import assert_equal_numbers
from tests.evaluation.scenes import disturbed, label_maps

ROAD, PERSON, CAR, VOID = 0, 11, 13, 255
LABELS = np.array([c * 1000 + i for c, i in ((0, 0), (5, 0), (11, 0), (11, 1), (11, 700), (13, 2), (13, 999), (255, 0))])


def write(folder, sequences):
    """Folders of PNGs of labels class * 1000 + instance."""
    for name, maps in sequences.items():
        (folder / name).mkdir(parents=True)
        for index, labels in enumerate(maps):
            semantic, instance = labels // 1000, labels % 1000
            rgb = np.stack([semantic, instance // 256, instance % 256], axis=-1).astype(np.uint8)
            Image.fromarray(rgb).save(folder / name / f"{index:06d}.png")
    return folder


@pytest.fixture
def sequences():
    rng = np.random.default_rng(0)
    return {name: label_maps(rng, 3, LABELS) for name in ("0002", "0018")}


@pytest.fixture
def folders(tmp_path, sequences):
    rng = np.random.default_rng(1)
    noisy = {name: disturbed(rng, maps, LABELS, 0.2) for name, maps in sequences.items()}
    return write(tmp_path / "gt", sequences), write(tmp_path / "pred" / "ours", noisy)


@pytest.mark.parametrize("method", ["mild", "strong", "perfect"])
def test_agrees_with_the_official_tool(shared, method):
    case = shared / "evaluation" / "stq" / "stepA"
    result = evaluated(KittiStep(case / "gt", case / "pred" / method))
    sequences = result.summary["per_sequence"]
    found = {
        **{official: result.summary[key] for official, key in (("STQ", "STQ"), ("AQ", "AQ"), ("IoU", "SQ"))},
        "sequences": list(sequences),
        "STQ_per_seq": [own["STQ"] for own in sequences.values()],
        "AQ_per_seq": [own["AQ"] for own in sequences.values()],
        "IoU_per_seq": [own["SQ"] for own in sequences.values()],
        "Length_per_seq": [own["frames"] for own in sequences.values()],
    }
    assert_equal_numbers(found, json.loads((case / "expected" / f"{method}.json").read_text()))
    assert result.warnings == [PERFECT] * (method == "perfect")


def test_agrees_with_the_definition(folders):
    gt, pred = folders
    masks = []
    for name in ("0002", "0018"):
        sides = [np.stack([np.array(Image.open(path)) for path in sorted((side / name).iterdir())]) for side in (gt, pred)]
        true, predicted = (side.astype(int) for side in sides)
        masks.append([part for side in (true, predicted) for part in (side[..., 0], 256 * side[..., 1] + side[..., 2])])
    expected = brute_stq.stq(masks, 19, (PERSON, CAR))
    summary = evaluated(KittiStep(gt, pred)).summary
    assert summary["STQ"] == pytest.approx(expected["STQ"], abs=1e-12)
    assert summary["SQ"] == pytest.approx(expected["IoU"], abs=1e-12)
    assert len(summary["IoU_per_class"]) == 20


def test_perfect_predictions_have_1(tmp_path, sequences):
    gt, pred = write(tmp_path / "gt", sequences), write(tmp_path / "pred", sequences)
    summary = evaluated(KittiStep(gt, pred)).summary
    assert (summary["STQ"], summary["AQ"], summary["SQ"]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("gt", "pred", "reason"),
    [
        ("gt/0002", "pred/ours", r"--gt=.*no folders SEQUENCE/ with FRAME.png files; .*did you mean --gt=\S*/gt\?"),
        (".", "pred/ours", r"did you mean --gt=\S*/gt\?"),
        ("gt", "pred", r"--pred=.*0002 missing, 0018 missing; found ours/; did you mean --pred=\S*/pred/ours\?"),
        ("gt", "pred/ours/0002", r"did you mean --pred=\S*/pred/ours\?"),
        ("gt", "pred/theirs", "--pred=.*theirs: no such folder"),
        ("gt", "pred/ours/0002/000000.png", "a file, expected a folder"),
    ],
)
def test_wrong_folders(folders, tmp_path, gt, pred, reason):
    with pytest.raises(DataError, match=reason):
        KittiStep(tmp_path / gt, tmp_path / pred)


def test_missing_files(folders):
    gt, pred = folders
    (pred / "0018" / "000001.png").unlink()
    with pytest.raises(DataError, match=r"0018: 1 of 3 frames missing: 000001.png"):
        KittiStep(gt, pred)
    shutil.rmtree(pred / "0018")
    with pytest.raises(DataError, match="0018 missing; found 0002/"):
        KittiStep(gt, pred)
    shutil.rmtree(gt / "0018")
    (gt / "0018").mkdir()
    with pytest.raises(DataError, match=r"0018: no FRAME\.png files"):
        KittiStep(gt, pred)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((8, 12), np.uint8), "expected an RGB PNG of ids .*, found an image of mode L"),
        (np.zeros((8, 10, 3), np.uint8), r"expected the ground truth's size \(h, w\) \(8, 12\), found \(8, 10\)"),
        (np.full((8, 12, 3), 40, np.uint8), r"class id 40: expected 0 .. 18, or 255 for no label"),
        (
            np.full((8, 12, 3), [13, 255, 0], np.uint8),
            r"class id 78: expected 0 .. 18",
        ),  # 13 * 1000 + 256 * 255 is 78 * 1000 + 280
    ],
)
def test_broken_images(folders, image, reason):
    gt, pred = folders
    Image.fromarray(image).save(pred / "0018" / "000001.png")
    with pytest.raises(DataError, match=rf"ours/0018/000001.png: {reason}"):
        evaluated(KittiStep(gt, pred))


def result_of(tmp_path, gt, pred):
    return evaluated(KittiStep(write(tmp_path / "gt", {"0002": gt}), write(tmp_path / "pred", {"0002": pred})))


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (lambda gt: np.full_like(gt, VOID * 1000), "every prediction is void"),
        (lambda gt: np.zeros_like(gt), r"every prediction has one class, 0 \(road\)"),
        (lambda gt: np.full_like(gt, 17000), "no class occurs both in the ground truth and in the predictions"),
        (lambda gt: gt + 1000, "100% of the pixels would have the right class if class ids were one lower"),
        (lambda gt: gt // 1000 * 1000, "every predicted person and car has instance 0"),
    ],
)
def test_warnings(tmp_path, change, warning):
    gt = np.array([[[0, 5000, 8000, 11001, 13004]]])
    result = result_of(tmp_path, gt, change(gt))
    assert any(re.match(warning, line) for line in result.warnings)


def test_no_true_instances(tmp_path):
    result = result_of(tmp_path, np.array([[[0, 13000]]]), np.array([[[0, 13001]]]))
    assert result.summary["AQ"] == 0.0
    assert result.warnings == ["the ground truth has no person or car with an instance number: AQ and STQ are 0"]


def test_large_instance_numbers_spill_into_the_next_class(tmp_path):
    """As in the official tool, which encodes class * 1000 + instance."""
    gt = write(tmp_path / "gt", {"0002": np.array([[[0, 12005]]])})
    (tmp_path / "pred" / "0002").mkdir(parents=True)
    rgb = np.array([[[0, 0, 0], [11, 1005 // 256, 1005 % 256]]], np.uint8)
    Image.fromarray(rgb).save(tmp_path / "pred" / "0002" / "000000.png")
    result = evaluated(KittiStep(gt, tmp_path / "pred"))
    assert result.summary["SQ"] == 1.0
    assert any("1000 or more count as the next class" in warning for warning in result.warnings)
