"""Pictures of results."""

import cv2
import numpy as np

from tarvis_jax.inference.overlay import OverlayWriter, draw_overlay
from tarvis_jax.inference.results import FrameResult, PanopticFrame


def _box(top, left, size=(60, 80)):
    mask = np.zeros(size, bool)
    mask[top : top + 20, left : left + 20] = True
    return mask


def test_colours_belong_to_ids_not_to_places():
    frame = np.full((60, 80, 3), 90, np.uint8)
    first = draw_overlay(frame, FrameResult(0, {1: _box(5, 5), 2: _box(35, 45)}), {1: "", 2: ""})
    second = draw_overlay(frame, FrameResult(1, {2: _box(5, 5), 1: _box(35, 45)}), {1: "", 2: ""})
    np.testing.assert_array_equal(first[8, 8], second[38, 48])
    np.testing.assert_array_equal(first[38, 48], second[8, 8])
    assert np.abs(first[8, 8].astype(int) - first[38, 48]).max() > 60
    np.testing.assert_array_equal(first[2, 70], frame[2, 70])  # nothing is there


def test_what_is_no_track_has_the_colour_of_its_class():
    frame = np.zeros((60, 80, 3), np.uint8)
    class_map, track_map = np.zeros((60, 80), np.int32), np.zeros((60, 80), np.int32)
    class_map[:, 40:], track_map[_box(5, 5)] = 1, 3
    result = FrameResult(0, {3: track_map == 3}, panoptic=PanopticFrame(class_map, track_map))
    picture = draw_overlay(frame, result, {3: ""}, class_colours=[(200, 0, 0), (0, 0, 100)])
    assert picture[50, 10].tolist() == [100, 0, 0]
    assert picture[50, 60].tolist() == [0, 0, 50]
    assert picture[10, 10].tolist() not in ([100, 0, 0], [0, 0, 0])


def test_a_video_and_a_sheet_of_odd_sizes(tmp_path):
    writer = OverlayWriter(tmp_path, frames=30, fps=5.0)
    for i in range(30):
        writer.add(i, np.full((97, 131, 3), 8 * i, np.uint8))
    writer.close()
    video = cv2.VideoCapture(str(tmp_path / "overlay.mp4"))
    assert (video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FRAME_WIDTH)) == (30, 130)
    sheet = cv2.imread(str(tmp_path / "overlay.png"))
    assert sheet.shape == (3 * 355, 4 * 480, 3)
    assert sheet[10, 10, 0] == 0
    assert sheet[-10, -10, 0] == 8 * 29
