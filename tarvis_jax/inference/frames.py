"""Frames of a video: a folder of images, or a video file."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from tarvis_jax.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png")
VIDEO_FPS = 10.0  # of pictures of a folder of frames, which does not say its own
VIDEO_NAME_DIGITS = 5  # the frames of a video file are called 00000, 00001, ...


class Frames(Protocol):
    """Frames that can be read any number of times.

    Attributes:
        fps: frames a second.
    """

    fps: float

    def name(self, index: int) -> str:
        """Name of a frame without suffix."""

    def index(self, name: str) -> int | None:
        """Index of the frame of that name, None if there is none."""

    def __len__(self) -> int:
        """Number of frames; of a video file, what its header says."""

    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames in order, RGB uint8 [h, w, 3]. Raises UserError for one that cannot be read."""


def open_frames(path: Path) -> Frames:
    """The frames at a path.

    Raises:
        UserError: neither a folder with images nor a video that OpenCV reads.
    """
    if path.is_dir():
        return ImageFiles(_images_of(path))
    if not path.exists():
        raise UserError(f"{path}: does not exist; expected a folder of {', '.join(SUFFIXES)} files, or a video file")
    return VideoFile(path)


def _images_of(folder: Path) -> list[Path]:
    """The images of a folder in the order of their names."""
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"{folder}: holds no frames; expected {', '.join(SUFFIXES)} files")
    twice = [stem for stem, count in Counter(file.stem for file in files).items() if count > 1]
    if twice:
        raise UserError(f"{folder}: several files are called {twice[0]}; expected one image for each frame")
    return files


def read_ahead(frames: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """The same frames, decoded by a thread up to `count` frames ahead, while the caller waits for the device."""
    iterator = iter(frames)
    with ThreadPoolExecutor(max_workers=1) as thread:
        waiting = deque(thread.submit(next, iterator, None) for _ in range(count))
        while (frame := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, iterator, None))
            yield frame


class ImageFiles:
    """Image files in the given order; all must have the size (h, w), without one that of the first."""

    fps = VIDEO_FPS

    def __init__(self, files: Sequence[Path], size: tuple[int, int] | None = None):
        self._files, self._size = files, size
        self._index = {file.stem: i for i, file in enumerate(files)}

    def name(self, index: int) -> str:
        return self._files[index].stem

    def index(self, name: str) -> int | None:
        return self._index.get(name)

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[np.ndarray]:
        expected = self._size
        for file in self._files:
            image = _read_image(file)
            expected = expected or image.shape[:2]
            if image.shape[:2] != expected:
                reason = "the size of its results" if self._size else f"as {self._files[0].name}"
                raise UserError(f"{file}: size {image.shape[:2]}; expected {expected}, {reason}")
            yield image


def _read_image(file: Path) -> np.ndarray:
    if not file.is_file():
        raise UserError(f"{file}: no such file; expected a frame of the video")
    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise UserError(f"{file}: cannot be read as an image; replace it, or leave it out of the folder")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class VideoFile:
    """The frames of a video that OpenCV reads."""

    def __init__(self, file: Path):
        self._file = file
        capture = self._open()
        self.fps = capture.get(cv2.CAP_PROP_FPS) or VIDEO_FPS
        self._count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._file))
        if not capture.isOpened():
            raise UserError(f"{self._file}: cannot be read as a video; convert it (for example to .mp4), or extract its frames")
        return capture

    def name(self, index: int) -> str:
        return f"{index:0{VIDEO_NAME_DIGITS}d}"

    def index(self, name: str) -> int | None:
        return int(name) if name.isdecimal() and self.name(int(name)) == name else None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[np.ndarray]:
        capture, count = self._open(), 0
        try:
            while True:
                there, image = capture.read()
                if not there:
                    break
                count += 1
                yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        finally:
            capture.release()
        if not count:
            raise UserError(f"{self._file}: holds no frame that can be read")
