"""J, F and their statistics against the official tool's stored values, and against the definitions on random masks."""

import doctest
import json
import math

import cv2
import numpy as np
import pytest

from tarvis_jax.evaluation import boundary, davis_scores
from tarvis_jax.evaluation.boundary import boundary_f, boundary_map, tolerance_radius
from tarvis_jax.evaluation.davis_scores import frame_scores, region_j, statistics
from tests.evaluation import brute_davis

EXACT = {"rel": 0, "abs": 1e-9}


@pytest.fixture(scope="module")
def units(shared):
    folder = shared / "evaluation" / "davis" / "units"
    expected = json.loads((folder / "expected.json").read_text())
    with np.load(folder / "masks.npz") as file:
        packed = dict(file)

    def mask(pair, kind):
        shape = pair["shape"]
        return np.unpackbits(packed[f"{pair['name']}/{kind}"], count=math.prod(shape)).reshape(shape).astype(bool)

    return expected, mask


def test_units(units):
    expected, mask = units
    for pair in expected["pairs"]:
        gt, pred, void = (mask(pair, kind) for kind in ("gt", "pred", "void"))
        assert (boundary_map(gt) == mask(pair, "gt_bmap")).all(), pair["name"]
        assert tolerance_radius(*gt.shape) == pair["bound_pix"]
        found = {
            "J": region_j(gt, pred),
            "J_void": region_j(gt, pred, void),
            "F": boundary_f(gt, pred),
            "F_void": boundary_f(gt, pred, void),
            "F_th2": boundary_f(gt, pred, tolerance=2),
            "F_th003": boundary_f(gt, pred, tolerance=0.03),
        }
        assert found == pytest.approx({key: pair[key] for key in found}, **EXACT), pair["name"]


def test_stored_statistics(units):
    for case in units[0]["stats"]:
        expected = [case[key] for key in ("mean", "recall", "decay")]
        assert statistics(np.array(case["values"])) == pytest.approx(expected, nan_ok=True, **EXACT)


def test_decay_of_long_sequences():
    """1 in the first quarter, then 0: the decay is 1, which the official 8-bit bins cannot find beyond 256 frames."""
    for length in (256, 257, 300, 1000):
        values = np.where(np.arange(length) <= round((length + 3) / 4), 1.0, 0.0)
        assert statistics(values, fixed=True)[2] == pytest.approx(1, abs=0.02)
    assert statistics(np.linspace(1, 0, 256)) == statistics(np.linspace(1, 0, 256), fixed=True)
    assert statistics(np.linspace(1, 0, 300))[2] != statistics(np.linspace(1, 0, 300), fixed=True)[2]


def _blobs(rng, shape):
    noise = cv2.GaussianBlur(rng.random(shape), (0, 0), rng.uniform(0.5, 5))
    return noise > np.quantile(noise, rng.uniform(0, 1))


@pytest.mark.parametrize("seed", range(30))
def test_random_masks(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 60, 2))
    gt, pred = _blobs(rng, shape), _blobs(rng, shape)
    tolerance = float(rng.choice([0.008, 0.05, 0.2, 1, 3, 9]))
    assert region_j(gt, pred) == pytest.approx(brute_davis.region_j(gt, pred), **EXACT)
    assert boundary_f(gt, pred, tolerance=tolerance) == pytest.approx(brute_davis.boundary_f(gt, pred, tolerance), **EXACT)


def test_stacks_are_their_masks():
    rng = np.random.default_rng(0)
    gt, pred, void = (np.stack([_blobs(rng, (20, 30)) for _ in range(6)]).reshape(2, 3, 20, 30) for _ in range(3))
    for measure in (region_j, boundary_f):
        values = measure(gt, pred, void)
        assert values.shape == (2, 3)
        assert values[1, 2] == measure(gt[1, 2], pred[1, 2], void[1, 2])


def test_shapes_must_agree():
    for measure in (region_j, boundary_f):
        with pytest.raises(ValueError, match=r"\(4, 5\)"):
            measure(np.zeros((4, 5), bool), np.zeros((5, 4), bool))


@pytest.mark.parametrize("seed", range(10))
def test_frames_of_many_objects(seed):
    """Objects that touch, overlap in the result, are missing, or lie at the border; ids beyond the count are background."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 12))
    gt, pred = (np.kron(rng.integers(0, top, (6, 8)), np.ones((9, 7), int)).astype(np.uint8) for top in (count + 3, count + 1))
    radius = brute_davis.radius_of(gt.shape)
    region, contour, pairs = frame_scores(gt, pred, count, radius)
    for i in range(1, count + 1):
        masks = gt == i, pred == i
        assert region[i - 1] == pytest.approx(brute_davis.region_j(*masks), **EXACT)
        assert contour[i - 1] == pytest.approx(brute_davis.boundary_f(*masks), **EXACT)
        assert pairs[i, i] == (masks[0] & masks[1]).sum()
        assert pairs[0, i] == ((gt == 0) | (gt > count))[masks[1]].sum()


@pytest.mark.parametrize("module", [boundary, davis_scores])
def test_examples(module):
    results = doctest.testmod(module)
    assert results.attempted and not results.failed
