import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import clip_statistics
from data.sources import open_sources

PASSES = 20  # as the stored table


@pytest.mark.slow
def test_clips_have_the_stored_statistics(shared: Path) -> None:
    """Every mean within four standard errors or 3 %, whichever is larger, on the same images."""
    reference = json.loads((shared / "reference" / "clip_statistics.json").read_text())
    source = open_sources(str(shared / "samples"), ["coco"])["coco"]
    values = clip_statistics.measure(clip_statistics.draw_clips(source, PASSES))
    assert set(values) == {name for name, stored in reference.items() if isinstance(stored, dict)}
    outside = {
        name: (samples.mean(axis=0).tolist(), reference[name]["mean"])
        for name, samples in values.items()
        if (np.abs(samples.mean(axis=0) - reference[name]["mean"]) > clip_statistics.tolerance(reference[name])).any()
    }
    assert not outside, "\n" + clip_statistics.table(values, reference)
