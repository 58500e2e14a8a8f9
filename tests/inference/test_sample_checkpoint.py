"""The sample checkpoint of the repository: small, of today's format, trained, and the same after a trip through PyTorch."""

from pathlib import Path

import jax
import numpy as np
import pytest

from data.toy.video import draw_video
from tarvis_jax.checkpoints import empty_variables, read_checkpoint_config, read_model_config, read_weights
from tarvis_jax.convert import main as convert
from tarvis_jax.inference.clips import ClipSettings
from tarvis_jax.inference.network import Network
from tarvis_jax.training.evaluation import object_map, segment_video
from tarvis_jax.training.report import score_baselines
from tarvis_jax.training.video_scores import ObjectScores

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "demo_checkpoint"


def test_it_is_small_and_says_how_it_was_made():
    assert sum(file.stat().st_size for file in SAMPLE.rglob("*") if file.is_file()) < 6e6
    config = read_checkpoint_config(SAMPLE)
    assert config["model"]["backbone"] == "tiny"
    assert f"after {config['step']} steps" in (SAMPLE / "README.md").read_text()
    assert str(ROOT) not in (SAMPLE / "config" / "metadata").read_text()


@pytest.mark.slow
def test_it_beats_the_baselines_on_videos_that_nobody_chose():
    """By ten points of J&F, on videos other than those that picked the best step; the demo's own table shows more."""
    videos = [draw_video(np.random.default_rng([31_337, i]), 12, 128, 192) for i in range(6)]
    network, scores = Network.from_checkpoint(SAMPLE), ObjectScores()
    for video in videos:
        frames, _ = segment_video(network, "vos", video, ClipSettings(12, 4))
        scores.add(video, object_map(frames, video.images.shape[1:3]))
    bar = max(found["J&F"] for found in score_baselines(videos).values())
    assert scores.values()["J&F"] > bar + 10


@pytest.mark.slow
def test_it_comes_back_from_pytorch_unchanged(tmp_path):
    pytest.importorskip("torch", reason="conversion needs PyTorch (requirements-convert.txt)")
    assert convert(["to_torch", f"--input={SAMPLE}", f"--output={tmp_path / 'sample.pth'}"]) == 0
    assert convert(["from_torch", f"--input={tmp_path / 'sample.pth'}", f"--output={tmp_path / 'back'}"]) == 0
    empty = empty_variables(read_model_config(SAMPLE))
    jax.tree.map(np.testing.assert_array_equal, *(read_weights(folder, empty) for folder in (SAMPLE, tmp_path / "back")))
