import dataclasses
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from data import pipeline
from data.errors import DataError
from tarvis_jax.config import DataConfig

ROOT = Path(__file__).resolve().parents[2]


def digests(config: DataConfig, count: int, start_step: int = 0, rows: slice = slice(None)) -> list[str]:
    with pipeline.batches(config, pipeline.open_sources(config), start_step=start_step, rows=rows) as batches:
        return [digest(next(batches)) for _ in range(count)]


def digest(batch: pipeline.Batch) -> str:
    content = hashlib.sha256()
    for name in sorted(batch):
        content.update(f"{name} {batch[name].dtype} {batch[name].shape}".encode())
        content.update(np.ascontiguousarray(batch[name]).tobytes())
    return content.hexdigest()


def test_batches_hold_the_contract(toy_config: DataConfig) -> None:
    sources = pipeline.open_sources(toy_config)
    mixture = pipeline.make_mixture(toy_config, sources)
    with pipeline.batches(toy_config, sources) as batches:
        for step in range(8):
            batch = next(batches)
            slots = 8 if mixture.plan(step).task == "vos" else 32
            shapes = {name: (value.dtype.name, value.shape) for name, value in batch.items()}
            assert shapes == {
                "images": ("uint8", (4, 3, 64, 64, 3)),
                "instance_map": ("uint8", (4, 3, 64, 64)),
                "instance_class": ("int32", (4, slots)),
                "instance_valid": ("bool", (4, slots)),
                "semantic_map": ("int16", (4, 3, 64, 64)),
                "reference_frame": ("int32", (4,)),
                "is_point": ("bool", (4, slots)),
                "points": ("float32", (4, slots, 2)),
                "skipped_record": ("int32", (4,)),
            }
            assert (batch["skipped_record"] == -1).all()
            assert batch["instance_valid"].any(axis=1).all()
            assert mixture.plan(step).task == "vos" or not batch["is_point"].any()


def test_workers_give_the_same_batches(toy_config: DataConfig) -> None:
    expected = digests(toy_config, 10)
    assert len(set(expected)) == 10
    for workers in (1, 2):
        assert digests(dataclasses.replace(toy_config, workers=workers), 10) == expected


@pytest.mark.slow
def test_workers_give_the_same_200_batches(toy_config: DataConfig) -> None:
    expected = digests(toy_config, 200)
    for workers in (1, 2):
        assert digests(dataclasses.replace(toy_config, workers=workers), 200) == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_stream_is_the_tail(toy_config: DataConfig, workers: int) -> None:
    expected = digests(toy_config, 9)
    assert digests(dataclasses.replace(toy_config, workers=workers), 4, start_step=5) == expected[5:]


def test_rows_of_two_processes_are_the_global_batch(toy_config: DataConfig) -> None:
    sources = pipeline.open_sources(toy_config)
    with (
        pipeline.batches(toy_config, sources, start_step=3) as whole,
        pipeline.batches(toy_config, sources, start_step=3, rows=slice(0, 1)) as first,
        pipeline.batches(toy_config, sources, start_step=3, rows=slice(1, 4)) as second,
    ):
        for _ in range(4):
            expected, upper, lower = next(whole), next(first), next(second)
            for name, value in expected.items():
                np.testing.assert_array_equal(value, np.concatenate([upper[name], lower[name]]))


def spoil(root: Path, indices: list[int]) -> list[Path]:
    files = sorted((root / "coco" / "train2017").iterdir())
    for index in indices:
        content = files[index].read_bytes()
        files[index].write_bytes(content[: len(content) // 2])
    return [files[index] for index in indices]


@pytest.fixture
def broken_config(toy_config: DataConfig, tmp_path: Path) -> DataConfig:
    """One of 24 records cannot be read: index 6."""
    root = Path(shutil.copytree(toy_config.data_root, tmp_path / "broken"))
    spoil(root, [6])
    return dataclasses.replace(toy_config, data_root=str(root))


def test_a_bad_record_is_replaced_in_its_position(toy_config: DataConfig, broken_config: DataConfig) -> None:
    sources, broken_sources = pipeline.open_sources(toy_config), pipeline.open_sources(broken_config)
    mixture = pipeline.make_mixture(toy_config, sources)
    replaced = 0
    with pipeline.batches(toy_config, sources) as whole, pipeline.batches(broken_config, broken_sources) as broken:
        for step in range(12):
            expected, found = next(whole), next(broken)
            for row in range(4):
                bad = mixture.record_index(step, row) == 6
                assert found["skipped_record"][row] == (6 if bad else -1)
                assert (expected["images"][row] == found["images"][row]).all() != bad
                assert found["instance_valid"][row].any()
                replaced += bad
    assert replaced == 2  # 48 rows are two epochs
    assert digests(broken_config, 12) == digests(dataclasses.replace(broken_config, workers=1), 12)


def test_skipped_records_are_counted_and_named_once(broken_config: DataConfig, caplog: pytest.LogCaptureFixture) -> None:
    skipped = pipeline.SkippedRecords(pipeline.open_sources(broken_config))
    with caplog.at_level(logging.WARNING):
        skipped.check("coco", np.int32([-1, 6, -1, 6]))
        skipped.check("coco", np.int32([6, -1]))
        skipped.check("coco", np.int32([-1, -1]))
    assert len(caplog.messages) == 1
    assert "000000000007.jpg" in caplog.messages[0]
    assert "expected a whole image" in caplog.messages[0]


def test_too_many_bad_records_are_an_error(broken_config: DataConfig) -> None:
    skipped = pipeline.SkippedRecords(pipeline.open_sources(broken_config))
    skipped.check("coco", np.int32([6]))  # 1 of 24 is less than 5 %
    spoil(Path(broken_config.data_root), [9])
    with pytest.raises(DataError, match=r"at most 5% bad records, found 2 of 24.*000000000010.jpg"):
        skipped.check("coco", np.int32([9, -1]))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_dataset_without_a_good_record_is_an_error(broken_config: DataConfig, workers: int) -> None:
    for file in (Path(broken_config.data_root) / "coco" / "train2017").iterdir():
        file.write_bytes(b"no image")
    config = dataclasses.replace(broken_config, workers=workers)
    with (
        pipeline.batches(config, pipeline.open_sources(config)) as batches,
        pytest.raises(DataError, match=r"coco: expected a usable record in 20 tries, found none.*cannot identify"),
    ):
        next(batches)


linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into Linux's /proc")

_USE_WORKERS = """
import sys, time
from data import pipeline
from tarvis_jax.config import DataConfig

if __name__ == "__main__":
    config = DataConfig(data_root=sys.argv[1], dataset_weights={"coco": 1.0}, task_weights={"vis": 1.0}, batch_size=2,
                        image_size=64, workers=2)
    batches = pipeline.batches(config, pipeline.open_sources(config))
    next(batches), next(batches)
    print("ready", flush=True)
    if sys.argv[2] == "wait":
        time.sleep(600)
    if sys.argv[2] == "close":
        batches.close()
"""


def start_user(toy_config: DataConfig, tmp_path: Path, how: str) -> subprocess.Popen:
    script = tmp_path / "use_workers.py"
    script.write_text(_USE_WORKERS)
    process = subprocess.Popen(
        [sys.executable, str(script), toy_config.data_root, how],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def members(session: int) -> list[int]:
    """Processes of a session that are alive."""
    alive = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, found = entry.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(found) == session and state != "Z":
            alive.append(int(entry.parent.name))
    return alive


def assert_all_end(session: int) -> None:
    """Processes that are about to end may take a moment on a busy machine."""
    deadline = time.monotonic() + 15
    while members(session) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not members(session)


@linux
@pytest.mark.parametrize("how", ["close", "exit"])
def test_nothing_is_left_behind(toy_config: DataConfig, tmp_path: Path, how: str) -> None:
    process = start_user(toy_config, tmp_path, how)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "", "")  # Python would complain of shared memory that is left
    assert_all_end(process.pid)


@linux
def test_workers_leave_signals_to_the_parent_and_die_with_it(toy_config: DataConfig, tmp_path: Path) -> None:
    process = start_user(toy_config, tmp_path, "wait")
    others = [pid for pid in members(process.pid) if pid != process.pid]  # two workers, and Python's resource tracker
    assert len(others) >= 2
    for pid in others:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    time.sleep(0.5)
    assert set(others) <= set(members(process.pid))
    process.kill()
    process.communicate(timeout=60)
    assert_all_end(process.pid)
