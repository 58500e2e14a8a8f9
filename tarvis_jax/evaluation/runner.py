"""Runs a benchmark over its videos, in this process or in several."""

import functools
import json
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from tarvis_jax.errors import UserError
from tarvis_jax.evaluation.benchmark import Benchmark, State

_QUIET_SECONDS = 20.0  # before progress is shown where nobody watches a terminal, and between its lines


def evaluate_videos(benchmark: Benchmark, videos: Sequence[str], workers: int = 1) -> dict[str, State]:
    """The states of the videos, in their order.

    Every state has been JSON, so that one that was stored meanwhile cannot differ. The first error ends the run.
    """
    if min(workers, len(videos)) > 1:
        encoded = _in_processes(benchmark, videos, workers)
    else:
        encoded = map(functools.partial(_encoded_state, benchmark), videos)
    return {name: json.loads(text) for name, text in zip(videos, _with_progress(encoded, len(videos)), strict=True)}


def _encoded_state(benchmark: Benchmark, name: str) -> str:
    return json.dumps(benchmark.evaluate_video(name))


_worker_benchmark: Benchmark  # a worker process's copy, which it has once and not with each video


def _set_benchmark(benchmark: Benchmark) -> None:
    global _worker_benchmark
    _worker_benchmark = benchmark


def _encoded_state_in_worker(name: str) -> str:
    return _encoded_state(_worker_benchmark, name)


def _in_processes(benchmark: Benchmark, videos: Sequence[str], workers: int) -> Iterator[str]:
    from concurrent.futures import ProcessPoolExecutor  # brings much that one process does not need
    from concurrent.futures.process import BrokenProcessPool

    count = min(workers, len(videos))
    try:
        with ProcessPoolExecutor(count, _process_context(), initializer=_set_benchmark, initargs=(benchmark,)) as pool:
            yield from pool.map(_encoded_state_in_worker, videos)
    except BrokenProcessPool:
        raise UserError(f"--workers={workers}: a worker process was killed, probably for its memory; pass fewer") from None


def _process_context() -> multiprocessing.context.BaseContext:
    """Forked workers share the ground truth that is already read; but threads, such as JAX has, do not survive a fork."""
    can_fork = sys.platform == "linux" and "jax" not in sys.modules
    return multiprocessing.get_context("fork" if can_fork else "spawn")


def _with_progress(results: Iterable[str], total: int) -> Iterator[str]:
    """The results, with a bar with the time left on standard error: at once on a terminal, else when it takes long."""
    quiet = 0.0 if sys.stderr.isatty() else _QUIET_SECONDS
    start = time.monotonic()
    waiting = iter(results)
    for done, result in enumerate(waiting, 1):
        yield result
        if done < total and time.monotonic() - start > quiet:
            from tqdm import tqdm  # importing it takes as long as a small evaluation

            yield from tqdm(waiting, total=total, initial=done, unit="video", mininterval=max(quiet, 0.1), leave=False)
