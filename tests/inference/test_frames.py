"""Reading frames from folders and video files."""

import cv2
import numpy as np
import pytest

from tarvis_jax.errors import UserError
from tarvis_jax.inference.frames import ImageFiles, open_frames, read_ahead


def test_images_come_in_name_order_as_rgb(tmp_path):
    for i, name in enumerate(("b.png", "a.png", "c.PNG")):
        image = np.zeros((4, 6, 3), np.uint8)
        image[..., i] = 200  # blue, green, red
        cv2.imwrite(str(tmp_path / name), image)
    (tmp_path / "notes.txt").write_text("not a frame")
    frames = open_frames(tmp_path)
    assert [frames.name(i) for i in range(len(frames))] == ["a", "b", "c"]
    assert [frame[0, 0].tolist() for frame in frames] == [[0, 200, 0], [0, 0, 200], [200, 0, 0]]
    assert frames.index("b") == 1
    assert frames.index("d") is None


def test_a_video_file_gives_its_frames(tmp_path):
    file = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 7.0, (32, 16))
    for value in (50, 100, 150):
        writer.write(np.full((16, 32, 3), value, np.uint8))
    writer.release()
    frames = open_frames(file)
    assert (len(frames), frames.fps, frames.name(2)) == (3, 7.0, "00002")
    assert frames.index("00002") == 2
    for _ in range(2):  # a second time as well
        np.testing.assert_allclose([frame.mean() for frame in frames], [50, 100, 150], atol=3)


def test_mistakes_have_clear_messages(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: does not exist; expected a folder of"):
        open_frames(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"holds no frames; expected .jpg, .jpeg, .png files"):
        open_frames(tmp_path)
    (tmp_path / "video.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match=r"video.mp4: cannot be read as a video"):
        open_frames(tmp_path / "video.mp4")
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((4, 6, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((4, 7, 3), np.uint8))
    with pytest.raises(UserError, match=r"1.png: size \(4, 7\); expected \(4, 6\), as 0.png"):
        list(open_frames(tmp_path))
    (tmp_path / "0.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"0.png: cannot be read as an image"):
        list(open_frames(tmp_path))
    (tmp_path / "0.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="several files are called 0"):
        open_frames(tmp_path)


def test_image_files_must_be_there_and_have_the_size(tmp_path):
    files = [tmp_path / f"{i}.png" for i in (2, 1)]
    for value, file in enumerate(files):
        cv2.imwrite(str(file), np.full((4, 6, 3), value, np.uint8))
    assert [frame.mean() for frame in ImageFiles(files, (4, 6))] == [0, 1]  # in the given order
    with pytest.raises(UserError, match=r"2.png: size \(4, 6\); expected \(6, 4\), the size of its results"):
        list(ImageFiles(files, (6, 4)))
    files[1].unlink()
    with pytest.raises(UserError, match=r"1.png: no such file"):
        list(ImageFiles(files))


def test_reading_ahead_changes_nothing(tmp_path):
    read = []

    def frames(last):
        for i in range(last):
            read.append(i)
            yield np.full((2, 2, 3), i, np.uint8)
        raise UserError("cannot be read")

    ahead = read_ahead(frames(7), 3)
    values = []
    with pytest.raises(UserError, match="cannot be read"):
        for frame in ahead:
            values.append(int(frame[0, 0, 0]))
            assert max(read) <= values[-1] + 3
    assert values == list(range(7))
    assert list(read_ahead([], 3)) == []
