import collections
import dataclasses
import time

import numpy as np
import pytest

from data.mixture import Mixture
from tarvis_jax.config import ConfigError, DataConfig

SIZES = {"ade20k": 7, "cityscapes": 5, "coco": 13, "mapillary": 1}


@pytest.fixture
def config() -> DataConfig:
    return DataConfig(
        data_root="",
        dataset_weights={"coco": 0.55, "ade20k": 0.2, "cityscapes": 0.05, "mapillary": 0.2},
        task_weights={"vps": 0.3, "vis": 0.3, "vos": 0.28, "pet": 0.12},
        batch_size=4,
        group_steps=3,
    )


def test_groups_share_dataset_and_task(config: DataConfig) -> None:
    mixture = Mixture(config, SIZES)
    plans = [mixture.plan(step) for step in range(600)]
    for first in range(0, 600, 3):
        assert len(set(plans[first : first + 3])) == 1
    assert len(set(plans)) == 12  # four datasets, three tasks


def test_weights_hold_in_the_long_run(config: DataConfig) -> None:
    mixture = Mixture(config, SIZES)
    groups = 20_000
    plans = [mixture.plan(3 * group) for group in range(groups)]
    expected = {
        "dataset": config.dataset_weights,
        "task": {"vps": 0.3, "vis": 0.3, "vos": 0.4},
    }
    for attribute, weights in expected.items():
        counts = collections.Counter(getattr(plan, attribute) for plan in plans)
        for name, weight in weights.items():
            assert abs(counts[name] / groups - weight) < 4.5 * np.sqrt(weight * (1 - weight) / groups)
    both = collections.Counter((plan.dataset, plan.task) for plan in plans)
    assert abs(both["coco", "vos"] / groups - 0.55 * 0.4) < 0.015  # dataset and task are independent


def test_every_record_once_per_epoch(config: DataConfig) -> None:
    mixture = Mixture(config, SIZES)
    drawn = collections.defaultdict(list)
    for step in range(900):
        drawn[mixture.plan(step).dataset] += [mixture.record_index(step, row) for row in range(4)]
    for dataset, size in SIZES.items():
        epochs = [drawn[dataset][first : first + size] for first in range(0, len(drawn[dataset]) - size + 1, size)]
        assert len(epochs) > 10
        assert all(sorted(epoch) == list(range(size)) for epoch in epochs)
        if size > 1:
            assert len({tuple(epoch) for epoch in epochs}) > 0.5 * min(len(epochs), np.prod(np.arange(1, size + 1)))


def test_steps_may_be_asked_in_any_order(config: DataConfig) -> None:
    forward, backward = Mixture(config, SIZES), Mixture(config, SIZES)
    steps = [0, 5, 17, 4096 * 3 - 1, 4096 * 3 + 100, 60_000]
    expected = [(forward.plan(step), forward.record_index(step, 2)) for step in steps]
    found = [(backward.plan(step), backward.record_index(step, 2)) for step in reversed(steps)]
    assert found == expected[::-1]


def test_a_late_step_is_fast(config: DataConfig) -> None:
    start = time.perf_counter()
    mixture = Mixture(dataclasses.replace(config, group_steps=8), {**SIZES, "coco": 118_287})
    mixture.plan(400_000)
    mixture.record_index(400_000, 3)
    assert time.perf_counter() - start < 0.5


def test_seeds_give_other_plans(config: DataConfig) -> None:
    first, second = Mixture(config, SIZES), Mixture(dataclasses.replace(config, seed=7), SIZES)
    assert [first.plan(step) for step in range(0, 60, 3)] != [second.plan(step) for step in range(0, 60, 3)]


def test_zero_weights_are_never_drawn(config: DataConfig) -> None:
    config = dataclasses.replace(
        config, dataset_weights={"coco": 1.0, "ade20k": 0.0}, task_weights={"vis": 0.0, "vps": 0.0, "vos": 0.0, "pet": 0.5}
    )
    mixture = Mixture(config, {"coco": 3})
    assert {mixture.plan(step) for step in range(0, 3000, 3)} == {mixture.plan(0)}
    assert (mixture.plan(0).dataset, mixture.plan(0).task) == ("coco", "vos")


def test_a_dataset_without_records_is_an_error(config: DataConfig) -> None:
    with pytest.raises(ConfigError, match=r"dataset_weights\.coco"):
        Mixture(config, {**SIZES, "coco": 0})
