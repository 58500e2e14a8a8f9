"""BURST's reading rules and scores against the plain version, on drawn files."""

import copy
import json

import numpy as np
import pytest

from tarvis_jax.evaluation.burst import Burst
from tarvis_jax.evaluation.burst_scores import split_totals
from tests.evaluation import brute_burst
from tests.evaluation.burst_folders import BurstFolders, draw_result, draw_truth, encode, rectangle


@pytest.fixture
def folders(tmp_path):
    return BurstFolders(tmp_path)


def found_scores(folders, task, *options, split="all"):
    benchmark = Burst(folders.gt, folders.pred, task, *options)
    states = {name: json.loads(json.dumps(benchmark.evaluate_video(name))) for name in benchmark.videos}
    totals = split_totals(states.values(), task)[split]
    return {category: {name: value / 100 for name, value in total.percent.items()} for category, total in totals.items()}


def assert_plain_version_agrees(folders, *options, split="all"):
    found = found_scores(folders, *options, split=split)
    expected = brute_burst.scores(folders.gt / f"{split}_classes.json", folders.pred, *options)
    assert found.keys() == expected.keys()
    for category, row in expected.items():
        if "AP" not in found[category]:
            assert options[0] == "open_world"
            del row["AP"]
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
        ("open_world", "burstapi", "box"),
    ],
    ids="-".join,
)
def test_agrees_with_the_plain_version(folders, options, seed):
    rng = np.random.default_rng(seed)
    truth = draw_truth(rng)
    folders.write(truth, draw_result(rng, truth, options[0], own_categories=options[1] == "burstapi"))
    assert_plain_version_agrees(folders, *options)


@pytest.mark.parametrize("seed", range(4))
def test_a_split_with_a_ground_truth_of_its_own(folders, seed):
    """Of the open world: it has fewer sequences and tracks, and other classes that are absent or not labelled."""
    rng = np.random.default_rng(seed)
    truth = draw_truth(rng)
    folders.write(truth, draw_result(rng, truth, "open_world"))
    own = copy.deepcopy(truth)
    own["sequences"][0]["not_exhaustive_category_ids"], own["sequences"][0]["neg_category_ids"] = [1], [1]
    for masks in own["sequences"][0]["segmentations"]:
        masks.pop("1", None)
    del own["sequences"][-1]
    (folders.gt / "common_classes.json").write_text(json.dumps(own))
    assert_plain_version_agrees(folders, "open_world", split="common")


def test_the_best_300_masks_of_an_image_count(folders):
    """In an image with more, also the order changes, here between equal similarities; the other images keep theirs."""
    rng = np.random.default_rng(5)
    truth = draw_truth(rng, num_sequences=1)
    drawn = truth["sequences"][0]
    drawn["neg_category_ids"] = [1, 78]
    result = copy.deepcopy(truth)
    crowd = result["sequences"][0]
    crowd["track_category_ids"] = {
        str(track): int(rng.choice([1, 78, *drawn["track_category_ids"].values()])) for track in range(400)
    }
    true = [mask["rle"] for masks in drawn["segmentations"] for mask in masks.values()]
    counts = [5, 320, 7, 310, 400, 300]
    crowd["segmentations"] = [
        {str(track): {"rle": str(rng.choice(true)), "score": float(rng.random())} for track in rng.permutation(400)[:count]}
        for count in counts
    ]
    folders.write(truth, result)
    assert_plain_version_agrees(folders, "class_guided")


def test_a_track_with_the_id_0_leaves_what_it_takes_free(folders):
    """A quirk of TrackEval's track mAP, where only one sequence has such a track. A second track finds the same object."""
    truth = draw_truth(np.random.default_rng(6), num_sequences=2)
    for drawn in truth["sequences"]:
        drawn["track_category_ids"] = {"1": 78}
        drawn["segmentations"] = [{"1": {"rle": encode(rectangle((drawn["height"], drawn["width"]), (3, 3), (5, 5)))}}] * 6
        drawn["not_exhaustive_category_ids"] = []
    found = {}
    for ids in (("0", "2"), ("1", "2")):
        for sequences in (1, 2):
            result = copy.deepcopy(truth)
            for drawn in result["sequences"][:sequences]:
                drawn["track_category_ids"] = dict.fromkeys(ids, 78)
                drawn["segmentations"] = [dict.fromkeys(ids, masks["1"]) for masks in drawn["segmentations"]]
            folders.write(truth, result)
            assert_plain_version_agrees(folders, "class_guided")
            found[ids[0], sequences] = found_scores(folders, "class_guided")[78]["AP"]
    assert found["0", 1] == pytest.approx(1) and found["1", 1] < 0.9
    assert found["0", 2] == found["1", 2]


@pytest.mark.parametrize("task", ["exemplar_guided", "class_guided", "open_world"])
def test_a_sequence_without_true_masks(folders, task):
    """Nothing of it is scored, but in track mAP its tracks of a class that is known to be absent are misses."""
    rng = np.random.default_rng(10)
    truth = draw_truth(rng)
    for category in truth["sequences"][1]["track_category_ids"].values():
        truth["sequences"][0]["neg_category_ids"].append(category)
    result = draw_result(rng, truth, task)
    truth["sequences"][0]["segmentations"] = [{} for _ in truth["sequences"][0]["segmentations"]]
    folders.write(truth, result)
    assert_plain_version_agrees(folders, task)


def test_a_sequence_may_come_in_parts(folders):
    rng = np.random.default_rng(7)
    truth = draw_truth(rng)
    whole = draw_result(rng, truth, "class_guided")
    folders.write(truth, whole)
    expected = found_scores(folders, "class_guided")
    parts = copy.deepcopy(whole)
    parts["sequences"] += copy.deepcopy(parts["sequences"])
    for number, part in enumerate(parts["sequences"]):
        is_first = number < len(whole["sequences"])
        for key in ("annotated_image_paths", "segmentations"):
            part[key] = part[key][:2] if is_first else part[key][2:]
    folders.write(result=parts)
    assert found_scores(folders, "class_guided") == expected


def test_workers_and_shards_change_nothing(folders, run, tmp_path):
    rng = np.random.default_rng(8)
    truth = draw_truth(rng, num_sequences=5)
    folders.write(truth, draw_result(rng, truth, "exemplar_guided"))
    results = []
    for flags in (["--workers=1"], ["--workers=2"]):
        assert run(*folders.flags(f"--output={folders.output}", "--overwrite", *flags))[0] == 0
        results.append((folders.output / "results.json").read_text())
    shards = [tmp_path / f"shard{i}" for i in range(2)]
    for i, shard in enumerate(shards):
        assert run(*folders.flags(f"--output={shard}", f"--shard={i}/2"))[0] == 0
    assert run(*folders.flags(f"--output={folders.output}", "--overwrite", "--merge", *shards))[0] == 0
    results.append((folders.output / "results.json").read_text())
    assert results[0] == results[1] == results[2]


def test_plots_and_tables_are_written(folders, run):
    rng = np.random.default_rng(9)
    truth = draw_truth(rng)
    folders.write(truth, draw_result(rng, truth, "class_guided"))
    flags = ["--task=class_guided", f"--output={folders.output}", "--plot", "--worst=2"]
    status, out, _ = run(*folders.flags(*flags))
    assert status == 0
    assert out.splitlines()[0].split() == ["H_all", "H_com", "H_unc"]
    assert "HOTA (mean over its classes)" in out
    written = {path.relative_to(folders.output).as_posix() for path in folders.output.rglob("*.*")}
    tables = {f"{name}.csv" for name in ("burst", "per_class", "per_sequence")}
    assert written == {"results.json", *tables, "plots/HOTA.png", "plots/DetA.png", "plots/AssA.png"}
