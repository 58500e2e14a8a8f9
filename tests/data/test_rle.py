"""Areas, boxes and overlaps of encoded masks against pycocotools and decoded masks; broken strings against decoding by hand."""

import doctest

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from data import rle


def _draw(rng, shape):
    """A mask of vertical runs of one to three pixels."""
    return np.kron(rng.random(shape) < rng.random(), np.ones((int(rng.integers(1, 4)), 1)))[: shape[0]].astype(bool)


def _encode(mask):
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()


def _check(counts, height, width):
    shapes = rle.measure(counts, height, width)
    encoded = [{"size": [height, width], "counts": text} for text in counts]
    np.testing.assert_array_equal(shapes.box, coco_mask.toBbox(encoded))
    np.testing.assert_array_equal(shapes.area, [coco_mask.area(single) for single in encoded])
    chosen = encoded[:30]
    i, j = np.indices((len(encoded), len(chosen))).reshape(2, -1)
    expected = coco_mask.iou(encoded, chosen, [1] * len(chosen)) * shapes.area[:, None]
    np.testing.assert_allclose(shapes.shared(i, j), np.nan_to_num(expected).ravel(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("block", [1, 300, 100_000])
@pytest.mark.parametrize("shape", [(37, 23), (1, 50), (50, 1), (480, 854)])
def test_areas_and_boxes(shape, block, monkeypatch):
    monkeypatch.setattr(rle, "_BLOCK", block)
    rng = np.random.default_rng(3)
    masks = [_draw(rng, shape) for _ in range(3 if shape[0] > 100 else 200)]
    masks += [np.full(shape, value) for value in (False, True)]
    masks += [np.eye(np.prod(shape))[place].reshape(shape) > 0 for place in (0, -1)] if shape[0] < 100 else []
    counts = [_encode(mask) for mask in masks]
    _check([counts[i] for i in rng.permutation(len(counts))], *shape)
    np.testing.assert_array_equal(rle.measure(counts, *shape).area, [mask.sum() for mask in masks])


def test_no_masks():
    shapes = rle.measure([], 37, 23)
    assert shapes.area.shape == (0,) and shapes.box.shape == (0, 4)
    assert shapes.shared(np.zeros(0, int), np.zeros(0, int)).shape == (0,)


def test_shared_pixels_of_decoded_masks():
    rng = np.random.default_rng(5)
    masks = np.stack([_draw(rng, (12, 9)) for _ in range(40)])
    shapes = rle.measure([_encode(mask) for mask in masks], 12, 9)
    i, j = rng.integers(0, 40, (2, 500))
    np.testing.assert_array_equal(shapes.shared(i, j), (masks[i] & masks[j]).sum(axis=(1, 2)))


def test_large_masks():
    """Whose pixels together do not fit into 32 bits."""
    counts = coco_mask.frPyObjects({"size": [50_000, 40_000], "counts": [50_001, 49_999, 1_999_900_000]}, 50_000, 40_000)[
        "counts"
    ]
    _check([counts.decode()] * 3, 50_000, 40_000)


@pytest.mark.parametrize("runs", [[2, 3, 0, 4, 3], [2, 3, 1, 0, 6], [2, 0, 1, 4, 5], [12, 0], [0, 0, 3, 5, 4], [0, 12, 0, 0]])
def test_runs_of_no_pixels(runs):
    """They are in no canonical encoding; boxes are pycocotools'."""
    counts = coco_mask.frPyObjects({"size": [3, 4], "counts": runs}, 3, 4)["counts"].decode()
    _check([_encode(np.eye(3, 4)), counts, _encode(np.zeros((3, 4)))], 3, 4)


def test_broken_strings():
    """A change that passes must be a mask of the right size, as decoding it by hand shows."""
    rng = np.random.default_rng(4)
    passed = 0
    for _ in range(600):
        whole = _encode(_draw(rng, (9, 8)))
        broken = bytearray(whole.encode())
        broken[rng.integers(len(broken))] = rng.integers(40, 120)
        runs = _decode_by_hand(bytes(broken))
        if runs is not None and sum(runs) == 72 and min(runs) >= 0:
            passed += 1
            assert rle.measure([whole, bytes(broken)], 9, 8).area[1] == sum(runs[1::2])
        else:
            with pytest.raises(rle.CorruptRle) as raised:
                rle.measure([whole, bytes(broken), whole], 9, 8)
            assert raised.value.index == 1
    assert 0 < passed < 300


def test_place_of_a_broken_string_in_a_later_block(monkeypatch):
    monkeypatch.setattr(rle, "_BLOCK", 20)
    whole = _encode(np.eye(9, 8))
    with pytest.raises(rle.CorruptRle, match="cover 11 pixels") as raised:
        rle.measure([whole] * 7 + [";"] + [whole] * 2, 9, 8)
    assert raised.value.index == 7


def _decode_by_hand(counts):
    """Run lengths as COCO's format defines them; None if they cannot be."""
    runs, value, place = [], 0, 0
    for character in counts:
        digit = character - 48
        if not 0 <= digit < 64:
            return None
        value |= (digit & 31) << 5 * place
        place += 1
        if not digit & 32:
            value -= (digit & 16 > 0) * (1 << 5 * place)
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, place = 0, 0
    return runs if place == 0 else None


def test_examples():
    results = doctest.testmod(rle)
    assert results.attempted and not results.failed
