"""The speed benchmark draws data that can be scored, the same for the same seed."""

import pytest

from benchmarks import evaluation
from benchmarks.evaluation_davis import DavisSize, davis_flags


@pytest.fixture
def small(monkeypatch):
    size = DavisSize(sequences=2, frames=4, objects=2, radius=(40, 110), plain_frames=2)
    monkeypatch.setitem(evaluation.SETS, "davis", evaluation.BenchmarkSet(size.draw, davis_flags, size.plain))
    return size


def test_drawn_davis(small, tmp_path, run):
    assert small.draw(tmp_path / "a", seed=1) == 4
    small.draw(tmp_path / "b", seed=1)
    files = [sorted((tmp_path / name).rglob("*.png")) for name in "ab"]
    assert len(files[0]) == 16 and [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    status, out, err = run(*davis_flags(tmp_path / "a"))
    assert (status, err) == (0, "")
    assert 0.8 < float(out.split()[7]) < 1  # J&F-Mean: nearly right
    assert small.plain(tmp_path / "a") == 2


def test_report(small, tmp_path):
    (line,) = evaluation.run_set("davis", seed=0, workers=[1], keep=tmp_path)
    assert (tmp_path / "davis" / "DAVIS").is_dir()
    name, frames, workers, *numbers = line.split()
    assert (name, frames, workers) == ("davis", "4", "1") and all(float(number) > 0 for number in numbers)
