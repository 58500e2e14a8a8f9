"""BURST's reading rules and scores against the plain version, on drawn files."""

import json

import numpy as np
import pytest

from tarvis_jax.evaluation.burst import Burst
from tarvis_jax.evaluation.burst_scores import split_totals
from tests.evaluation import brute_burst
from tests.evaluation.burst_folders import BurstFolders, draw_result, draw_truth


@pytest.fixture
def folders(tmp_path):
    return BurstFolders(tmp_path)


def found_scores(folders, task, flow="trackeval", similarity="box"):
    benchmark = Burst(folders.gt, folders.pred, task, flow, similarity)
    states = {name: json.loads(json.dumps(benchmark.evaluate_video(name))) for name in benchmark.videos}
    totals = split_totals(states.values(), task)["all"]
    return {category: {name: value / 100 for name, value in total.percent().items()} for category, total in totals.items()}


def assert_plain_version_agrees(folders, *options):
    found = found_scores(folders, *options)
    expected = brute_burst.scores(folders.gt / "all_classes.json", folders.pred, *options)
    assert found.keys() == expected.keys()
    for category, row in expected.items():
        for name, value in row.items():
            assert found[category][name] == pytest.approx(value, rel=0, abs=1e-9), (category, name)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "options",
    [
        ("exemplar_guided", "trackeval", "box"),
        ("exemplar_guided", "burstapi", "mask"),
        ("class_guided", "trackeval", "box"),
        ("class_guided", "burstapi", "mask"),
    ],
    ids="-".join,
)
def test_agrees_with_the_plain_version(folders, options, seed):
    rng = np.random.default_rng(seed)
    truth = draw_truth(rng)
    folders.write(truth, draw_result(rng, truth, options[0], own_categories=options[1] == "burstapi"))
    assert_plain_version_agrees(folders, *options)
