"""The seven video benchmarks, drawn."""

import shutil
from pathlib import Path

import pytest

from data import toyworld

VIDEOS = 2  # of each benchmark


@pytest.fixture(scope="session")
def drawn_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data_root with small versions of all video benchmarks; only to be read."""
    root = tmp_path_factory.mktemp("videos")
    for dataset in toyworld.VIDEO_LAYOUTS:
        toyworld.draw_videos(root, dataset, seed=5, videos=VIDEOS, size=64)
    return root


@pytest.fixture
def root(drawn_root: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(drawn_root, tmp_path / "copy"))
