"""From datasets to batches: rows are loaded, checked and stacked, in worker processes if wanted.

Row r of step s is position s * batch_size + r of an endless stream, and a function of the config and its position. So any
number of workers and of processes, and any start, give the same rows.
"""

import contextlib
import dataclasses
import logging
import multiprocessing
import os
import signal
import threading
import weakref
from collections.abc import Iterator, Mapping
from multiprocessing import connection
from typing import Self

import cv2
import grain
import numpy as np
from absl import flags

from data import clips, sources
from data.errors import BadRecordError, DataError
from data.mixture import Mixture, row_generator
from data.sources.panoptic import PanopticSource
from tarvis_jax.config import DataConfig

Batch = dict[str, np.ndarray]
Sources = Mapping[str, PanopticSource]

CLIP_TRIES = 10  # clips drawn from one image before another image is taken
RECORD_TRIES = 20
_ENDLESS = 1 << 60  # rows
BAD_FRACTION = 0.05  # of a dataset's records, beyond which it cannot be trusted


def open_sources(config: DataConfig) -> dict[str, PanopticSource]:
    """The datasets with a weight above 0, by name. Raises `DataError` if one is missing or malformed."""
    return sources.open_sources(config.data_root, [name for name, weight in config.dataset_weights.items() if weight > 0])


def make_mixture(config: DataConfig, datasets: Sources) -> Mixture:
    """The plan of the run for these datasets."""
    return Mixture(config, {name: len(source) for name, source in datasets.items()})


@dataclasses.dataclass
class RowLoader:
    """Loads single rows of the global batch."""

    config: DataConfig
    datasets: Sources
    mixture: Mixture

    def load(self, step: int, row: int) -> Batch:
        """The row as `clips.make_clip` returns it, with skipped_record int32 []: the bad record it replaces, or -1.

        A record that cannot be read, or that gives no clip with an instance, is replaced by a random other one. Raises
        `DataError` after `RECORD_TRIES`.
        """
        plan = self.mixture.plan(step)
        source = self.datasets[plan.dataset]
        rng = row_generator(self.config.seed, step * self.config.batch_size + row)
        index = self.mixture.record_index(step, row)
        skipped, reason = -1, "no instance is left in the clips"
        for _ in range(RECORD_TRIES):
            try:
                sample = self._clip(source, index, rng, plan.task)
            except BadRecordError as error:
                skipped, reason = (index if skipped < 0 else skipped), str(error)
            else:
                if sample is not None:
                    return {**sample, "skipped_record": np.int32(skipped)}
            index = int(rng.integers(len(source)))
        raise DataError(
            f"{plan.dataset}: expected a usable record in {RECORD_TRIES} tries, found none ({reason}); repair the dataset"
        )

    def _clip(self, source: PanopticSource, index: int, rng: np.random.Generator, task: str) -> clips.Sample | None:
        record = source[index]
        tries = CLIP_TRIES if self.config.augment else 1
        for _ in range(tries):
            (clip_rng,) = rng.spawn(1)
            sample = clips.make_clip(record, clip_rng, self.config, dataset=source.dataset, task=task)
            if sample is not None:
                return sample
        return None


class Batches(contextlib.AbstractContextManager, Iterator[Batch]):
    """Endless iterator over the batches of a process; close it, or use it in a `with`, to end its worker processes."""

    def __init__(self, iterator: grain.DatasetIterator) -> None:
        self._open = [iterator]
        self._end = weakref.finalize(self, _close_all, self._open)  # also at exit: workers do not listen to signals

    def __next__(self) -> Batch:
        if not self._open:
            raise StopIteration
        return {name: np.asarray(array) for name, array in next(self._open[0]).items()}

    def close(self) -> None:
        """Ends the worker processes and frees what they had prepared."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _close_all(iterators: list[grain.DatasetIterator]) -> None:
    """Closes and forgets them: grain complains about iterators that live until the interpreter ends."""
    while iterators:
        iterators.pop().close()


def batches(config: DataConfig, datasets: Sources, *, start_step: int = 0, rows: slice = slice(None)) -> Batches:
    """Batches of steps start_step, start_step + 1, ...: the rows of `clips.make_clip` and `skipped_record`, stacked.

    Args:
      rows: of the global batch (no step), those that this process loads.

    Raises (from the iterator): `DataError`, if a row cannot be filled.
    """
    first, last, _ = rows.indices(config.batch_size)
    loader = RowLoader(config, datasets, make_mixture(config, datasets))

    def load(index: int) -> Batch:
        step, row = divmod(index, last - first)
        return loader.load(start_step + step, first + row)

    stream = grain.MapDataset.range(_ENDLESS).map(load).batch(last - first)
    stream = stream.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0))
    if config.workers:
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # callers without absl's `app.run`; grain's workers read their defaults
        stream = stream.mp_prefetch(grain.MultiprocessingOptions(num_workers=config.workers), _start_worker)
    return Batches(iter(stream))


def _start_worker(index: int, count: int) -> None:
    """Settings of a worker process.

    It has one core. Signals to the whole process group (Ctrl-C, a scheduler's SIGTERM) are for the main process, which may need
    more batches to come to an end. Should that die without closing the iterator, the worker ends by itself.
    """
    del index, count
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


class SkippedRecords:
    """Keeps account of bad records, in the main process."""

    def __init__(self, datasets: Sources) -> None:
        self._datasets = datasets
        self._bad: dict[str, set[int]] = {name: set() for name in datasets}

    def check(self, dataset: str, skipped_record: np.ndarray) -> None:
        """Takes note of a batch's `skipped_record` int32 [b] and logs every bad record once.

        Raises `DataError` when they exceed `BAD_FRACTION` of the dataset.
        """
        skipped = skipped_record[skipped_record >= 0]
        source, bad = self._datasets[dataset], self._bad[dataset]
        for index in sorted(set(skipped.tolist()) - bad):
            bad.add(index)
            logging.warning("%s: skipped a bad record, %s", dataset, _reason(source, index))
        if len(bad) > BAD_FRACTION * len(source):
            raise DataError(
                f"{dataset}: expected at most {BAD_FRACTION:.0%} bad records, found {len(bad)} of {len(source)}, "
                f"the last: {_reason(source, max(bad))}; repair the dataset"
            )


def _reason(source: PanopticSource, index: int) -> str:
    try:
        source[index]
    except BadRecordError as error:
        return str(error)
    return f"{source.image_file(index)}: could be read when it was tried again"
