"""The command line as a user meets it: mistakes end in one line and exit status 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.toyworld import draw_coco

ROOT = Path(__file__).resolve().parents[2]


def run_main(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "tarvis_jax.main", *arguments],
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": "", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def assert_one_line(result, *words):
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert result.returncode == 2, result.stderr[-2000:]
    assert "Traceback" not in result.stderr, result.stderr[-2000:]
    assert len(lines) == 1, result.stderr[-2000:]
    for word in words:
        assert word in lines[0], lines[0]


PRETRAIN = "--config=configs/pretrain.py:tiny"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([PRETRAIN, "--config.learnin_rate=1"], ["learnin_rate", "learning_rate"]),
        ([PRETRAIN, "--config.model.widht=64"], ["model.widht", "model.width"]),
        ([PRETRAIN, "--config.total_steps=many"], ["total_steps", "many"]),
        ([PRETRAIN], ["data_root", "configs/demo.py"]),
        (["--config=configs/pretrain.py:resnet5"], ["resnet5", "resnet50"]),
        (["--config=configs/nothing.py"], ["configs/nothing.py"]),
        ([PRETRAIN, "--config.data_root=/nowhere", "--config.datasets=coco"], ["/nowhere"]),
        ([PRETRAIN, "--config.data_root=tests", "--config.datasets=coco"], ["tests/coco"]),
        ([PRETRAIN, "--config.data_root=/nowhere", "--config.datasets=cocoa"], ["cocoa", "coco"]),
        ([PRETRAIN, "--config.data_root=/nowhere", "--config.image_size=100"], ["image_size=100", "64"]),
    ],
)
def test_mistakes_in_settings(tmp_path, arguments, words):
    assert_one_line(run_main(*arguments, f"--workdir={tmp_path}"), *words)


def test_missing_workdir():
    assert_one_line(run_main(PRETRAIN), "--workdir")


def test_batch_that_the_mesh_does_not_divide(tmp_path, toy_root):
    data = (f"--config.data_root={toy_root}", "--config.datasets=coco", "--config.batch_size=3")
    result = run_main(
        *(PRETRAIN, *data, f"--workdir={tmp_path}"),
        XLA_FLAGS="--xla_force_host_platform_device_count=2",
    )
    assert_one_line(result, "batch_size=3", "multiple of 2")


@pytest.mark.parametrize("damage", ["truncated", "without annotations"])
def test_broken_annotation_file(tmp_path, damage):
    draw_coco(tmp_path, images=2, seed=0)
    file = tmp_path / "coco" / "annotations" / "panoptic_train2017.json"
    content = file.read_text()
    file.write_text(content[:-100] if damage == "truncated" else json.dumps({"images": [], "categories": []}))
    result = run_main(PRETRAIN, f"--config.data_root={tmp_path}", "--config.datasets=coco", f"--workdir={tmp_path / 'run'}")
    assert_one_line(result, str(file))


def test_help_shows_an_example():
    result = run_main("--help")
    assert "--config=configs/demo.py" in result.stdout + result.stderr
