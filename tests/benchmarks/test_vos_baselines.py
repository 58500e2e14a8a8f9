"""The baselines of object segmentation, as the command writes them."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import vos_baselines


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Two frames of a red square that moves to the right over grey."""
    folder = tmp_path / "moving"
    folder.mkdir()
    for index, left in enumerate((4, 12)):
        image = np.full((24, 32, 3), 128, np.uint8)
        image[8:16, left : left + 8] = (0, 0, 255)  # OpenCV's order: blue, green, red
        cv2.imwrite(str(folder / f"{index:05d}.png"), image)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, frames: Path, value: int) -> int:
    """The command with a mask of this value for the square of the first frame; its exit status."""
    mask = np.zeros((24, 32), np.uint8)
    mask[8:16, 4:12] = value
    cv2.imwrite(str(frames.parent / "mask.png"), mask)
    arguments = [f"--frames={frames}", f"--masks={frames.parent / 'mask.png'}", f"--output={frames.parent / 'out'}"]
    monkeypatch.setattr(sys, "argv", ["vos_baselines", *arguments])
    return vos_baselines.main()


def test_one_stays_and_the_other_follows(frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, frames, 3) == 0
    for name, left in (("first_mask", 4), ("colours", 12)):
        expected = np.zeros((24, 32), bool)
        expected[8:16, left : left + 8] = True
        ids = cv2.imread(str(frames.parent / "out" / name / "moving" / "00001.png"), cv2.IMREAD_UNCHANGED)
        found = ids.any(axis=-1) if ids.ndim == 3 else ids > 0  # OpenCV gives a palette's colours
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_a_mask_of_0_and_255_is_refused_as_infer_does(
    frames: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, frames, 255) == 2
    message = capsys.readouterr().err
    assert "shows no object" in message and message.count("\n") == 1
    assert not (frames.parent / "out").exists()
