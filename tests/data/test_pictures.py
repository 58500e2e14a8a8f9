from pathlib import Path

import numpy as np
from PIL import Image

from data import categories, pictures, pipeline
from tarvis_jax.config import DataConfig


def test_labels_are_drawn_where_they_are() -> None:
    image = np.full((40, 50, 3), 60, np.uint8)
    instances = np.zeros((40, 50), np.uint8)
    instances[5:15, 5:15], instances[20:30, 20:40] = 1, 2
    semantic = np.full((40, 50), -100, np.int16)
    semantic[:, 45:] = 7
    drawn = pictures.draw_labels(image, instances, semantic)
    labelled = (instances > 0) | (semantic >= 0)
    np.testing.assert_array_equal((drawn != image).any(axis=-1), labelled)
    assert len({tuple(drawn[y, x]) for y, x in ((10, 10), (25, 30), (3, 47))}) == 3  # each its own colour
    assert (drawn[5, 5] != drawn[10, 10]).any()  # the outline
    assert np.abs(drawn[3, 47].astype(int) - 60).max() < np.abs(drawn[5, 5].astype(int) - 60).max()  # stuff is light


def test_the_picture_has_a_row_per_clip(toy_config: DataConfig, tmp_path: Path) -> None:
    names = categories.load("coco").names
    file = tmp_path / "samples" / "step.png"
    with pipeline.batches(toy_config, pipeline.open_sources(toy_config)) as batches:
        for _ in range(6):  # all tasks
            batch = next(batches)
            pictures.write_sample_picture(file, batch, names)
            with Image.open(file) as image:
                picture = np.asarray(image)
            assert picture.shape[0] >= 4 * 64
            assert picture.shape[1] >= 3 * 64
            assert picture.shape[2] == 3
    assert [path.name for path in file.parent.iterdir()] == ["step.png"]  # written under another name, then moved
