"""The infer command over a drawn benchmark: files, flags and mistakes."""

import json

import numpy as np
import pytest
from PIL import Image

from data import toyworld
from tarvis_jax import infer

CLIPS = ("--clip_length=2", "--clip_overlap=1", "--min_side=64")


@pytest.fixture
def folder(tmp_path):
    toyworld.draw_videos(tmp_path / "data", "davis", seed=0, videos=2, size=64)
    return tmp_path


def run(checkpoint, folder, *flags):
    paths = (f"--checkpoint={checkpoint}", f"--data_root={folder / 'data'}", f"--output={folder / 'out'}")
    return infer.main([*paths, "--dataset=davis", "--split=val", *CLIPS, *flags])


@pytest.mark.slow
def test_a_benchmark_becomes_its_results(checkpoint, folder, capsys):
    assert run(checkpoint, folder, "--shard=1/2") == 0
    assert not (folder / "out" / "toy000").exists()
    assert run(checkpoint, folder) == 0
    for name in ("toy000", "toy001"):
        frames = sorted((folder / "data" / "davis" / "JPEGImages" / "480p" / name).iterdir())
        results = sorted((folder / "out" / name).iterdir())
        assert [path.stem for path in results] == [path.stem for path in frames]
        for path, frame in zip(results, frames, strict=True):
            with Image.open(path) as image, Image.open(frame) as true:
                assert (image.mode, image.size) == ("P", true.size)
    part = json.loads((folder / "out" / "videos" / "toy000.json").read_text())
    assert part["settings"] == {
        "dataset": "davis",
        "split": "val",
        "task": "vos",
        "checkpoint": str(checkpoint),
        "precision": "float32",
        "clip_length": 2,
        "clip_overlap": 1,
        "min_side": 64,
        "max_side": 1333,
        "overlap_merge": "original",
    }
    capsys.readouterr()
    assert run(checkpoint, folder) == 0
    assert "finished already" in capsys.readouterr().out
    assert run(checkpoint, folder, "--clip_length=4") == 2
    assert "made with clip_length=2, not 4; pass the flags with which it was made" in capsys.readouterr().err
    assert run(checkpoint, folder, "--overwrite") == 0


MISTAKES = [
    (("--dataset=davies",), "--dataset=davies: no such benchmark; did you mean davis"),
    (("--dataset=burst",), "burst: no such folder"),
    (("--split=train",), "split 'train': no such split; known: val"),
    (("--task=pet",), "--task=pet: davis is of the task vos; leave --task out"),
    (("--checkpoint=nowhere",), "nowhere: no such folder"),
    (("--masks=first.png",), "--masks does not go with --dataset; it is for single videos, with --frames"),
    (("--classes=ovis",), "--classes does not go with --dataset"),
    (("--overlay",), "--overlay does not go with --dataset"),
    (("--save_logits",), "--save_logits does not go with --dataset"),
    (("--clip_overlap=2",), "--clip_overlap=2: expected 1 to 1"),
    (("--output=file",), "--output=file: a file; expected a folder"),
]


@pytest.mark.parametrize(("flags", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_mistakes_are_one_line_and_leave_nothing(checkpoint, folder, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(folder)
    (folder / "file").write_text("")
    assert_mistake(run(checkpoint, folder, *flags), capsys, message)
    assert not (folder / "out").exists()


def assert_mistake(status, capsys, message):
    assert status == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_classes_and_objects_that_are_missing(checkpoint, folder, capsys):
    toyworld.draw_videos(folder / "data", "ovis", seed=0, videos=1, size=64)
    status = run(checkpoint, folder, "--dataset=ovis", "--split=valid")
    assert_mistake(status, capsys, "'ovis': this checkpoint was not trained for them; did you mean youtube_vis?")
    annotation = folder / "data" / "davis" / "Annotations" / "480p" / "toy001" / "00000.png"
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(annotation)
    status = run(checkpoint, folder, "--shard=1/2")
    assert_mistake(status, capsys, "expected palette indices of objects (1, 2, ...), found background only")


def test_each_form_of_the_command_has_its_flags(capsys):
    base = ["--checkpoint=c", "--output=o"]
    assert_mistake(infer.main([*base, "--dataset=davis", "--split=val"]), capsys, "--dataset needs --data_root")
    assert_mistake(infer.main([*base, "--dataset=davis", "--data_root=d"]), capsys, "--dataset needs --split")
    assert_mistake(infer.main([*base, "--frames=f"]), capsys, "--frames needs --task: vos, pet, vis, vps")
    shard = infer.main([*base, "--frames=f", "--task=vis", "--shard=0/2"])
    assert_mistake(shard, capsys, "--shard does not go with --frames; it is for benchmarks, with --dataset")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "one of the arguments --frames --dataset is required"),
        (("--frames=f", "--dataset=davis"), "argument --dataset: not allowed with argument --frames"),
        (("--dataset=davis", "--shard=2/2"), "expected I/N with I from 0 to N - 1, found '2/2'"),
    ],
)
def test_the_parser_answers_in_one_line(capsys, flags, message):
    with pytest.raises(SystemExit) as exit_info:
        infer.main(["--checkpoint=c", "--output=o", *flags])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
