import dataclasses

import numpy as np
import pytest

from data import clips
from data.sources.panoptic import UNLABELLED, PanopticRecord, PanopticSource
from tarvis_jax.config import DataConfig

IMAGE_SIZE = 128


@pytest.fixture
def config(toy_config: DataConfig) -> DataConfig:
    return dataclasses.replace(toy_config, image_size=IMAGE_SIZE)


def make(record: PanopticRecord, config: DataConfig, task: str = "vps", seed: int = 0, dataset: str = "coco") -> clips.Sample:
    sample = clips.make_clip(record, np.random.default_rng(seed), config, dataset=dataset, task=task)
    assert sample is not None
    return sample


def striped_record(stripes: int, height: int = 96, width: int = 120) -> PanopticRecord:
    """Vertical stripes, all things of one class; stripe i is 1 + i % 3 times as wide as the narrowest."""
    widths = np.array([1 + index % 3 for index in range(stripes)])
    borders = np.cumsum(widths) / widths.sum() * width
    segment_map = np.searchsorted(borders, np.arange(width) + 0.5).astype(np.int16)[None].repeat(height, 0) + 1
    return PanopticRecord(
        name="stripes",
        image=np.full((height, width, 3), 100, np.uint8),
        segment_map=segment_map.astype(np.int16),
        ids=np.arange(1, stripes + 1, dtype=np.int32),
        classes=np.full(stripes, 7, np.int16),
        isthing=np.ones(stripes, bool),
    )


@pytest.mark.parametrize("task", ["vis", "vps", "vos"])
def test_the_batch_contract(toy_source: PanopticSource, config: DataConfig, task: str) -> None:
    slots = 8 if task == "vos" else 32
    sample = make(toy_source[0], config, task)
    frames = (3, IMAGE_SIZE, IMAGE_SIZE)
    assert {name: (value.dtype.name, value.shape) for name, value in sample.items()} == {
        "images": ("uint8", (*frames, 3)),
        "instance_map": ("uint8", frames),
        "instance_class": ("int32", (slots,)),
        "instance_valid": ("bool", (slots,)),
        "semantic_map": ("int16", frames),
        "reference_frame": ("int32", ()),
        "is_point": ("bool", (slots,)),
        "points": ("float32", (slots, 2)),
    }


@pytest.mark.parametrize("task", ["vis", "vps", "vos"])
def test_labels_agree_with_each_other(toy_source: PanopticSource, config: DataConfig, task: str) -> None:
    for seed in range(12):
        record = toy_source[seed]
        sample = make(record, config, task, seed)
        count = int(sample["instance_valid"].sum())
        assert count > 0
        assert sample["instance_valid"][:count].all()
        assert set(np.unique(sample["instance_map"])) - {0} == set(range(1, count + 1))
        for slot in range(count):
            semantic = sample["semantic_map"][sample["instance_map"] == slot + 1]
            assert (semantic == sample["instance_class"][slot] - 1).all()
        things = set(record.classes[record.isthing].tolist())
        unpainted = set(np.unique(sample["semantic_map"][sample["instance_map"] == 0]).tolist())
        if task != "vos":  # where objects are left out on purpose
            assert not unpainted & things
        assert not sample["instance_class"][count:].any()


def test_the_same_generator_gives_the_same_clip(toy_source: PanopticSource, config: DataConfig) -> None:
    first, again, other = (make(toy_source[2], config, "vos", seed) for seed in (5, 5, 6))
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    assert (first["images"] != other["images"]).any()


def test_frames_differ_and_warped_in_pixels_are_unlabelled_and_black(toy_source: PanopticSource, config: DataConfig) -> None:
    white = dataclasses.replace(toy_source[1], image=np.full_like(toy_source[1].image, 255))
    sample = make(white, config)
    outside = sample["semantic_map"] == UNLABELLED  # drawn images have no unlabelled pixels of their own
    assert 0 < outside.mean() < 0.4
    assert (sample["images"][outside] < 255).any(axis=-1).mean() > 0.9
    assert (sample["images"][~outside] > 200).all(axis=-1).mean() > 0.97  # but for blends along the border
    assert (sample["semantic_map"][0] != sample["semantic_map"][1]).any()


def test_without_augmentation(toy_source: PanopticSource, config: DataConfig) -> None:
    config = dataclasses.replace(config, augment=False)
    record = toy_source[3]
    sample = make(record, config, seed=0)
    for name in ("images", "instance_map", "semantic_map"):
        np.testing.assert_array_equal(sample[name], make(record, config, seed=9)[name])
        assert (sample[name] == sample[name][:1]).all()
    assert (sample["semantic_map"] != UNLABELLED).all()
    # Areas are those of the record, scaled to the middle short side, of the cropped centre.
    scale = 544 / 512 * IMAGE_SIZE / min(record.segment_map.shape)
    height, width = (round(scale * side) for side in record.segment_map.shape)
    rows = ((np.arange(IMAGE_SIZE) + (height - IMAGE_SIZE) // 2 + 0.5) / height * record.segment_map.shape[0]).astype(int)
    columns = ((np.arange(IMAGE_SIZE) + (width - IMAGE_SIZE) // 2 + 0.5) / width * record.segment_map.shape[1]).astype(int)
    expected = np.append(UNLABELLED, record.classes)[record.segment_map[np.ix_(rows, columns)]]
    np.testing.assert_array_equal(sample["semantic_map"][0], expected)


def test_narrow_images_are_padded(config: DataConfig) -> None:
    config = dataclasses.replace(config, augment=False)
    sample = make(striped_record(3, height=30, width=120), config)
    height = round(30 * 1333 * IMAGE_SIZE / 512 / 120)  # the long side is at its limit
    assert height < IMAGE_SIZE
    assert (sample["images"][:, height:] == 128).all()
    assert (sample["images"][:, :height] == 100).all()
    assert (sample["semantic_map"][:, height:] == UNLABELLED).all()
    assert (sample["instance_map"][:, height:] == 0).all()
    assert (sample["instance_map"][:, :height] > 0).all()


def test_shared_crop(config: DataConfig) -> None:
    """Frames of Cityscapes and Mapillary share the relative position of the crop, so a wide image moves less between them."""

    def spread(dataset: str) -> float:
        shifts = []
        for seed in range(30):
            position_of_column = make(striped_record(30, 96, 400), config, "vis", seed, dataset)["instance_map"].astype(float)
            shifts.append(np.ptp([frame[frame > 0].mean() for frame in position_of_column]))
        return float(np.mean(shifts))

    assert spread("cityscapes") < 0.5 * spread("coco")
    assert spread("mapillary") == spread("cityscapes")


def test_more_instances_than_slots_keep_the_largest(config: DataConfig) -> None:
    config = dataclasses.replace(config, augment=False, instance_slots=8)
    record = striped_record(20)
    everything = make(record, dataclasses.replace(config, instance_slots=20), "vis")
    areas = np.bincount(everything["instance_map"].ravel(), minlength=21)[1:]
    sample = make(record, config, "vis")
    assert sample["instance_valid"].all()
    kept = np.bincount(sample["instance_map"].ravel(), minlength=9)[1:]
    assert sorted(kept) == sorted(np.sort(areas)[-8:])


def test_vos_takes_objects_of_the_reference_frame(toy_source: PanopticSource, config: DataConfig) -> None:
    references, orders, full = set(), set(), 0
    for seed in range(40):
        sample = make(striped_record(20, 96, 300), config, "vos", seed)
        reference = int(sample["reference_frame"])
        visible = set(np.unique(sample["instance_map"][reference])) - {0}
        assert visible == set(range(1, len(visible) + 1))  # the first slots, and all of them are there
        assert visible == set(np.flatnonzero(sample["instance_valid"]) + 1)
        full += len(visible) == 8
        references.add(reference)
        middles = [np.nonzero(sample["instance_map"][reference] == slot)[1].mean() for slot in sorted(visible)]
        orders.add(tuple(np.argsort(middles)))
        assert (sample["points"][~sample["is_point"]] == 0).all()
    assert references == {0, 1, 2}
    assert full > 20
    assert len(orders) > 30  # random subsets in random order


def test_points_lie_in_their_objects(config: DataConfig) -> None:
    given = total = 0
    for seed in range(40):
        sample = make(striped_record(12), config, "vos", seed)
        frame = sample["instance_map"][sample["reference_frame"]]
        for slot in np.flatnonzero(sample["is_point"]):
            x, y = sample["points"][slot] * IMAGE_SIZE
            assert frame[int(y), int(x)] == slot + 1
            assert x % 1 == y % 1 == 0.5
        given += int(sample["is_point"].sum())
        total += int(sample["instance_valid"].sum())
    assert abs(given / total - 0.12 / 0.4) < 4 * np.sqrt(0.3 * 0.7 / total)


def test_a_clip_without_instances_is_none(toy_source: PanopticSource, config: DataConfig) -> None:
    record = toy_source[0]
    empty = dataclasses.replace(record, isthing=np.zeros_like(record.isthing))
    assert clips.make_clip(empty, np.random.default_rng(0), config, dataset="coco", task="vis") is None


def test_mask_points_agree_with_the_stored_ones(shared) -> None:
    stored = np.load(shared / "reference" / "helpers.npz")
    for index, expected_yx in zip(stored["mask_to_point_index"], stored["mask_to_point_coords_yx"], strict=True):
        x, y = clips.mask_point(stored["mask_to_point_masks"][index].astype(bool))
        np.testing.assert_array_equal(np.float32([y, x]), expected_yx.astype(np.float32))


def test_mask_point_against_brute_force() -> None:
    rng = np.random.default_rng(1)
    for _ in range(25):
        mask = rng.random((9, 13)) < rng.uniform(0.3, 0.95)
        mask[rng.integers(9)] = True  # touches the border
        mask[rng.integers(9), rng.integers(13)] = False
        inside, outside = np.argwhere(mask), np.argwhere(~mask)
        squared = ((inside[:, None] - outside[None]) ** 2).sum(-1).min(1)
        from_mean = np.abs(inside - inside.mean(0)).sum(1)
        best = min(range(len(inside)), key=lambda index: (-squared[index], round(from_mean[index], 9), index))
        expected = (inside[best][::-1] + 0.5) / (13, 9)
        np.testing.assert_allclose(clips.mask_point(mask), expected, rtol=1e-6)


def test_mask_point_of_a_full_mask_is_its_middle() -> None:
    np.testing.assert_array_equal(clips.mask_point(np.ones((5, 9), bool)), np.float32([0.5, 0.5]))
