"""A small drawn dataset, and configs for it."""

from pathlib import Path

import pytest

from data import toyworld
from data.sources import open_sources
from data.sources.panoptic import PanopticSource
from tarvis_jax.config import DataConfig

TASK_WEIGHTS = {"vps": 0.3, "vis": 0.3, "vos": 0.28, "pet": 0.12}


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data_root with 24 drawn COCO images; only to be read."""
    root = tmp_path_factory.mktemp("toy")
    toyworld.draw_coco(root, seed=3, images=24, size=96)
    return root


@pytest.fixture(scope="session")
def toy_source(toy_root: Path) -> PanopticSource:
    return open_sources(str(toy_root), ["coco"])["coco"]


@pytest.fixture
def toy_config(toy_root: Path) -> DataConfig:
    return DataConfig(
        data_root=str(toy_root),
        dataset_weights={"coco": 1.0},
        task_weights=TASK_WEIGHTS,
        batch_size=4,
        image_size=64,
        group_steps=2,
        workers=0,
    )
