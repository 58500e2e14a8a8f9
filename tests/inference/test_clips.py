"""Clips of a video: the original's, and properties of all."""

import itertools
import json
import re

import pytest

from tarvis_jax.config import ConfigError
from tarvis_jax.inference.clips import ClipSettings, clip_ranges


def test_ranges_are_the_original_s(helpers):
    stored = json.loads(str(helpers["clip_ranges_json"]))
    assert stored
    for name, ranges in stored.items():
        frames, length, overlap, first = map(int, re.findall(r"\d+", name))
        found = clip_ranges(frames - first, ClipSettings(length, overlap))
        assert [[start + first, end + first] for start, end in found] == ranges, name


@pytest.mark.parametrize(("length", "overlap"), [(2, 1), (12, 6), (5, 2), (7, 1)])
def test_every_frame_lies_in_a_clip_and_the_last_clip_ends_the_video(length, overlap):
    for frames in range(1, 40):
        ranges = clip_ranges(frames, ClipSettings(length, overlap))
        assert ranges[0][0] == 0
        assert ranges[-1][1] == frames
        for (start, end), (following, _) in itertools.pairwise(ranges):
            assert end - start == length
            assert end - following == overlap
        assert len(ranges) == 1 or ranges[-1][1] - ranges[-1][0] > overlap


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="--clip_overlap=7: expected 1 to 6, half of a clip of 12 frames"):
        ClipSettings(12, 7)
    with pytest.raises(ConfigError, match="--clip_overlap=0: expected 1 to 2"):
        ClipSettings(4, 0)
    with pytest.raises(ConfigError, match="--clip_length=1: expected 2 or more"):
        ClipSettings(1, 0)
