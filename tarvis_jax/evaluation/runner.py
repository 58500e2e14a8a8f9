"""Runs a benchmark over its videos, in this process or in several."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from tarvis_jax.errors import UserError
from tarvis_jax.evaluation.benchmark import Benchmark, State

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_QUIET_SECONDS = 20.0  # before progress is shown where nobody watches a terminal, and between its lines


def evaluate_videos(benchmark: Benchmark, videos: Sequence[str], workers: int = 1) -> dict[str, State]:
    """The states of the videos, in their order. The first error ends the run."""
    several = min(workers, len(videos)) > 1
    states = _in_processes(benchmark, videos, workers) if several else map(benchmark.evaluate_video, videos)
    return dict(zip(videos, _with_progress(states, len(videos)), strict=True))


_worker_benchmark: Benchmark  # a worker process's copy, which it has once and not with each video


def _set_benchmark(benchmark: Benchmark) -> None:
    global _worker_benchmark
    _worker_benchmark = benchmark


def _state_in_worker(name: str) -> State:
    return _worker_benchmark.evaluate_video(name)


def _in_processes(benchmark: Benchmark, videos: Sequence[str], workers: int) -> Iterator[State]:
    from concurrent.futures import ProcessPoolExecutor  # brings much that one process does not need
    from concurrent.futures.process import BrokenProcessPool

    count = min(workers, len(videos))
    try:
        with ProcessPoolExecutor(count, _process_context(), initializer=_set_benchmark, initargs=(benchmark,)) as pool:
            yield from pool.map(_state_in_worker, videos)
    except BrokenProcessPool:
        raise UserError(f"--workers={workers}: a worker process was killed, probably for its memory; pass fewer") from None


def _process_context() -> "BaseContext":
    """Forked workers share the ground truth that is already read; but threads, such as JAX has, do not survive a fork."""
    import multiprocessing

    can_fork = sys.platform == "linux" and "jax" not in sys.modules
    return multiprocessing.get_context("fork" if can_fork else "spawn")


def _with_progress(results: Iterable[State], total: int) -> Iterator[State]:
    """The results, with a bar with the time left on standard error: at once on a terminal, else when it takes long."""
    quiet = 0.0 if sys.stderr.isatty() else _QUIET_SECONDS
    start = time.monotonic()
    waiting = iter(results)
    for done, result in enumerate(waiting, 1):
        yield result
        if done < total and time.monotonic() - start > quiet:
            from tqdm import tqdm  # importing it takes as long as a small evaluation

            yield from tqdm(waiting, total=total, initial=done, unit="video", mininterval=max(quiet, 0.1), leave=False)
