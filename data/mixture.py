"""Which dataset, task and record every row of every step gets: a function of (seed, step, row) and nothing else."""

import dataclasses
import zlib
from collections.abc import Mapping

import numpy as np

from tarvis_jax.config import TASKS, DataConfig, require

# First word of the seeds, so that no two uses of the run's seed share random numbers.
_GROUPS, _ORDER, _ROWS = 1, 2, 3

_GROUPS_AT_ONCE = 4096


@dataclasses.dataclass(frozen=True)
class StepPlan:
    """What all rows of one step have in common."""

    dataset: str
    task: str  # "vis", "vps" or "vos"


def row_generator(seed: int, position: int) -> np.random.Generator:
    """Random numbers of one position of the stream (step * batch size + row of the global batch)."""
    return np.random.default_rng([_ROWS, seed, position])


class Mixture:
    """The plan of the whole run.

    Dataset and task are drawn by their weights and stay for groups of `group_steps` steps. The rows of a dataset's steps, one
    after the other, walk through all of its records in a new order each time. A later step costs no more than an early one, but
    for a table of all groups before it (50,000 groups: milliseconds).

    Args:
      sizes: number of records of each dataset with a weight above 0.
    """

    def __init__(self, config: DataConfig, sizes: Mapping[str, int]) -> None:
        weights = {name: weight for name, weight in sorted(config.dataset_weights.items()) if weight > 0}
        for name in weights:
            require(sizes.get(name, 0) > 0, f"config.dataset_weights.{name}: expected a dataset with records, found none")
        tasks = config.task_weights
        task_weights = {name: tasks.get(name, 0.0) for name in TASKS}
        task_weights["vos"] += tasks.get("pet", 0.0)
        self._group_steps = config.group_steps
        self._batch_size = config.batch_size
        self._names = tuple(weights)
        self._dataset_limits = _cumulative(weights)
        self._task_limits = _cumulative(task_weights)
        self._orders = [_EndlessOrder(config.seed, name, sizes[name]) for name in self._names]
        self._rng = np.random.default_rng([_GROUPS, config.seed])
        self._datasets = np.zeros(0, np.int64)  # of every group drawn so far
        self._tasks = np.zeros(0, np.int64)
        self._earlier = np.zeros(0, np.int64)  # groups before it that have its dataset

    def plan(self, step: int) -> StepPlan:
        """Dataset and task of a step (from 0)."""
        group = self._group(step)
        return StepPlan(dataset=self._names[self._datasets[group]], task=TASKS[self._tasks[group]])

    def record_index(self, step: int, row: int) -> int:
        """Record, within the step's dataset, of a row of the global batch."""
        group = self._group(step)
        earlier_steps = int(self._earlier[group]) * self._group_steps + step % self._group_steps
        return self._orders[self._datasets[group]][earlier_steps * self._batch_size + row]

    def _group(self, step: int) -> int:
        group = step // self._group_steps
        if group >= len(self._datasets):
            self._draw_groups(group + 1 - len(self._datasets) + _GROUPS_AT_ONCE)
        return group

    def _draw_groups(self, count: int) -> None:
        """Adds groups to the table. The generator goes on, so the table does not depend on how many are drawn at once."""
        draws = self._rng.random((count, 2))
        self._datasets = np.append(self._datasets, np.searchsorted(self._dataset_limits, draws[:, 0], side="right"))
        self._tasks = np.append(self._tasks, np.searchsorted(self._task_limits, draws[:, 1], side="right"))
        self._earlier = np.zeros_like(self._datasets)
        for dataset in range(len(self._names)):
            groups = np.flatnonzero(self._datasets == dataset)
            self._earlier[groups] = np.arange(len(groups))


def _cumulative(weights: Mapping[str, float]) -> np.ndarray:
    """Upper limits of all choices but the last, in 0..1."""
    values = np.array(list(weights.values()))
    return np.cumsum(values / values.sum())[:-1]


class _EndlessOrder:
    """All records in a random order, then all in another one, and so on; random access."""

    def __init__(self, seed: int, dataset: str, size: int) -> None:
        self._words = [_ORDER, seed, zlib.crc32(dataset.encode())]
        self._size = size
        self._epoch = -1
        self._order = np.zeros(0, np.int64)  # of that epoch

    def __getitem__(self, position: int) -> int:
        epoch, place = divmod(position, self._size)
        if epoch != self._epoch:
            self._order = np.random.default_rng([*self._words, epoch]).permutation(self._size)
            self._epoch = epoch
        return int(self._order[place])
