"""Cutting a video into overlapping clips, as the original does for each benchmark (facts of the original, section 12)."""

import dataclasses

from tarvis_jax.config import require

MERGES = ("original", "average")


@dataclasses.dataclass(frozen=True)
class ClipSettings:
    """How a video becomes clips.

    Attributes:
        length: frames of a clip.
        overlap: frames that a clip shares with the one before; at most half of a clip.
        min_side: pixels of the shorter side of the resized frames; 0 keeps their size.
        max_side: no side of a resized frame gets longer, whatever `min_side` asks for.
        overlap_merge: what becomes of a track's or object's masks in frames that two clips share. "original": one clip's, as
            the original effectively has it (`stitching`). "average": the mean of both clips' logits, as it means to have it.
    """

    length: int = 12
    overlap: int = 6
    min_side: int = 0
    max_side: int = 1333
    overlap_merge: str = MERGES[0]

    def __post_init__(self) -> None:
        require(self.length >= 2, f"--clip_length={self.length}: expected 2 or more frames")
        require(
            1 <= self.overlap <= self.length // 2,
            f"--clip_overlap={self.overlap}: expected 1 to {self.length // 2}, half of a clip of {self.length} frames",
        )
        require(self.min_side >= 0, f"--min_side={self.min_side}: expected 0 (the frames' own size) or more")
        require(self.max_side >= 1, f"--max_side={self.max_side}: expected a positive number")
        require(self.overlap_merge in MERGES, f"--overlap_merge={self.overlap_merge}: expected {' or '.join(MERGES)}")

    @property
    def stride(self) -> int:
        """Frames between the starts of consecutive clips."""
        return self.length - self.overlap

    @property
    def averages(self) -> bool:
        """Whether logits are averaged where clips overlap."""
        return self.overlap_merge == "average"


BENCHMARK_CLIPS = {
    "davis": ClipSettings(12, 6, 0),
    "burst": ClipSettings(8, 4, 512),
    "youtube_vis": ClipSettings(12, 6, 448),
    "ovis": ClipSettings(12, 6, 576),
    "kitti_step": ClipSettings(6, 3, 0),
    "cityscapes_vps": ClipSettings(10, 5, 0),
    "vipseg": ClipSettings(12, 6, 576),
}


def clip_ranges(frames: int, settings: ClipSettings) -> list[tuple[int, int]]:
    """[first, end) of the clips of a video of `frames` frames: a clip every `stride` frames, the last one cut short."""
    last = max(frames - settings.overlap - 1, 0) // settings.stride
    starts = (i * settings.stride for i in range(last + 1))
    return [(start, min(start + settings.length, frames)) for start in starts]
