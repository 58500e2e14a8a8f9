"""The commands of the video benchmarks, from outside: keys of results.json, shards, mistakes."""

import json
import shutil

import pytest

from tests.evaluation.nested import assert_equal_numbers

CASES = {  # gt, pred, and the keys that the interface promises
    "youtube_vis": ("ytvis/ytA/gt.json", "ytvis/ytA/pred/mild.json", {"AP", "AP50", "AP75", "AR1", "AR10", "AR100"}),
    "ovis": ("ytvis/ytA/gt.json", "ytvis/ytA/pred/strong.json", {"AP", "AP50", "AP75", "AR1", "AR10", "AR100"}),
    "kitti_step": ("stq/stepA/gt", "stq/stepA/pred/mild", {"STQ", "AQ", "SQ"}),
    "cityscapes_vps": ("vpq/vpqA/gt", "vpq/vpqA/pred/strong", {"VPQ", "VPQ_thing", "VPQ_stuff", "VPQ_k"}),
    "vipseg": ("vipseg/vipA/gt", "vipseg/vipA/pred/mild", {"VPQ", "VPQ_thing", "VPQ_stuff", "VPQ_k", "STQ", "AQ", "SQ"}),
}


@pytest.fixture(params=CASES)
def case(request, shared):
    gt, pred, keys = CASES[request.param]
    root = shared / "evaluation"
    return [request.param, f"--gt={root / gt}", f"--pred={root / pred}"], keys


def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_shards_and_workers_give_the_same(case, run, tmp_path):
    flags, keys = case
    status, out, err = run(*flags, f"--output={tmp_path / 'whole'}", "--worst=2", "--plot")
    assert (status, err) == (0, "")
    assert "Lowest scores" in out
    assert list((tmp_path / "whole" / "plots").iterdir())
    whole = results(tmp_path / "whole")
    assert keys <= whole.keys()
    assert run(*flags, f"--output={tmp_path / 'workers'}", "--workers=2")[0] == 0
    assert_equal_numbers(results(tmp_path / "workers"), whole, tolerance=0)
    for index in range(2):
        assert run(*flags, f"--output={tmp_path / 'shards'}", f"--shard={index}/2")[0] == 0
    assert run(*flags, f"--output={tmp_path / 'merged'}", "--merge", tmp_path / "shards")[0] == 0
    assert_equal_numbers(results(tmp_path / "merged"), whole, tolerance=0)


@pytest.mark.parametrize("name", ["cityscapes_vps", "vipseg"])
def test_shards_of_another_pred_json(name, shared, run, fails, tmp_path):
    """Of the same PNGs, as their names and sizes are the same."""
    gt, pred, _ = CASES[name]
    copied = shutil.copytree(shared / "evaluation" / pred, tmp_path / "pred")
    flags = [name, f"--gt={shared / 'evaluation' / gt}", f"--pred={copied}"]
    assert run(*flags, "--shard=0/1", f"--output={tmp_path / 'shards'}")[0] == 0
    assert run(*flags, "--merge", tmp_path / "shards")[0] == 0
    (copied / "pred.json").write_text(json.dumps(json.loads((copied / "pred.json").read_text()) | {"note": ""}))
    assert "other predictions" in fails(*flags, "--merge", tmp_path / "shards")


def test_mistakes_are_one_line(case, fails):
    (name, gt, pred), _ = case
    assert "absent" in fails(name, gt, f"{pred}_absent")
    assert "--pred" in fails(name, gt)
    fails(name, gt, f"{pred}/..")
