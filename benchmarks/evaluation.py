"""Speed and memory of the evaluations on drawn data, beside a plain full-frame version of the same measures.

Examples:
  python -m benchmarks.evaluation davis --workers=1,2
  python -m benchmarks.evaluation davis_long davis_crowd

Each set is drawn (the same for the same seed) and scored by the command in a process of its own, start and decoding included.
The plain version, the one of the tests, is timed in the same run on a part of the frames; its ratio to the command hardly
depends on the machine.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.evaluation_burst import BurstSize, burst_flags
from benchmarks.evaluation_davis import DavisSize, davis_flags

ROOT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Usage:
    """Of a process and those that it started."""

    cpu_seconds: float
    wall_seconds: float
    peak_mib: float  # of the largest of them


@dataclasses.dataclass(frozen=True)
class BenchmarkSet:
    """Drawn data and the two ways to score it.

    Attributes:
        draw: writes the data below a folder; the arguments are the folder and a seed. Returns the number of scored frames.
        flags: arguments of the command for the data in a folder.
        plain: scores a part of the frames of the data in a folder plainly; returns their number.
    """

    draw: Callable[[Path, int], int]
    flags: Callable[[Path], Sequence[str]]
    plain: Callable[[Path], int]


# A process of its own starts the command, since Linux counts the memory of who starts a program as the program's.
_STARTER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - start
print(json.dumps([status, usage.ru_utime + usage.ru_stime, seconds, usage.ru_maxrss / 1024]))
"""


def measure(command: Sequence[str]) -> Usage:
    """Runs a command; its output is dropped, its failure is an error."""
    starter = [sys.executable, "-c", _STARTER, *command]
    status, *usage = json.loads(subprocess.run(starter, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
    return Usage(*usage)


def _drawn(size: DavisSize | BurstSize, flags: Callable[[Path], Sequence[str]]) -> BenchmarkSet:
    return BenchmarkSet(size.draw, flags, size.plain)


SETS = {
    "davis": _drawn(DavisSize(sequences=4, frames=60, objects=3, radius=(40, 110), plain_frames=40), davis_flags),
    "davis_long": _drawn(DavisSize(sequences=1, frames=5000, objects=2, radius=(40, 110), plain_frames=40), davis_flags),
    "davis_crowd": _drawn(DavisSize(sequences=1, frames=60, objects=200, radius=(10, 25), plain_frames=2), davis_flags),
    "burst": _drawn(BurstSize(sequences=40, frames=40, tracks=8, classes=20, plain_sequences=2), burst_flags),
    "burst_sequences": _drawn(BurstSize(sequences=150, frames=20, tracks=6, classes=20, plain_sequences=2), burst_flags),
    "burst_tracks": _drawn(BurstSize(sequences=19, frames=20, tracks=60, classes=20, plain_sequences=1), burst_flags),
    "burst_frames": _drawn(BurstSize(sequences=10, frames=300, tracks=8, classes=20, plain_sequences=1), burst_flags),
    "burst_classes": _drawn(BurstSize(sequences=120, frames=20, tracks=6, classes=200, plain_sequences=2), burst_flags),
}


def run_set(name: str, seed: int, workers: Sequence[int], keep: Path | None = None) -> Iterator[str]:
    """A line of the report for each number of worker processes; the data stays below `keep`, if it is given."""
    chosen = SETS[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if keep is None else keep / name
        frames = chosen.draw(folder, seed)
        start = time.process_time()
        plain_seconds = frames / chosen.plain(folder)
        plain_seconds *= time.process_time() - start
        for count in workers:
            usage = measure([sys.executable, "-m", "tarvis_jax.evaluate", *chosen.flags(folder), f"--workers={count}"])
            yield (
                f"{name:16}{frames:8}{count:9}{usage.cpu_seconds:9.2f}{usage.wall_seconds:9.2f}"
                f"{frames / usage.wall_seconds:10.0f}{usage.peak_mib:10.0f}{plain_seconds / usage.cpu_seconds:12.1f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", choices=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", default="1", help="numbers of processes, comma-separated")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the drawn data in DIR/SET")
    arguments = parser.parse_args()
    workers = [int(count) for count in arguments.workers.split(",")]
    print(f"{'set':16}{'frames':>8}{'workers':>9}{'CPU s':>9}{'wall s':>9}{'frames/s':>10}{'peak MiB':>10}{'plain/CPU':>12}")
    for name in arguments.sets:
        for line in run_set(name, arguments.seed, workers, arguments.keep):
            print(line, flush=True)


if __name__ == "__main__":
    main()
