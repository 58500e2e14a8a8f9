"""The training run: data in, steps, rows and checkpoints out; goes on where an earlier process of the same run stopped."""

import logging
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from clu import parameter_overview
from jax.sharding import Mesh

from data import categories
from data.mixture import StepPlan
from data.pictures import write_sample_picture
from data.pipeline import SkippedRecords, Sources, batches, make_mixture, open_sources
from tarvis_jax.config import TASKS, TrainConfig, require
from tarvis_jax.devices import compute_dtype, use_compilation_cache
from tarvis_jax.models.queries import ClassRange
from tarvis_jax.models.tarvis import TarViS
from tarvis_jax.training.checkpoints import CheckpointStore, save_best
from tarvis_jax.training.evaluation import Evaluation, mean_headline
from tarvis_jax.training.logbook import Logbook, evaluation_rows
from tarvis_jax.training.optimizer import make_optimizer
from tarvis_jax.training.preemption import Preemption
from tarvis_jax.training.report import write_report
from tarvis_jax.training.settings import write_config
from tarvis_jax.training.sharding import local_rows, make_mesh, to_devices
from tarvis_jax.training.start import starting_state
from tarvis_jax.training.state import TrainState
from tarvis_jax.training.step import TrainStep, make_train_step

logger = logging.getLogger(__name__)

HostBatch = dict[str, np.ndarray]


def train(config: TrainConfig, workdir: Path) -> bool:
    """Trains until `config.total_steps`, from the workdir's newest checkpoint if it has one.

    Returns:
        Whether the run is finished; False after a SIGTERM, when the state is saved.

    Raises:
        ConfigError, DataError: mistakes in settings or data, one line each.
        NonFiniteError: a loss or gradient is no number; the message names the step.
    """
    require(
        not config.eval.every or jax.process_count() == 1,
        f"config.eval.every={config.eval.every}: evaluation during training runs in one process; set it to 0",
    )
    use_compilation_cache()
    mesh = make_mesh(config)
    with Preemption() as preemption, CheckpointStore(workdir, config) as store:
        if (store.latest_step() or 0) >= config.total_steps:
            logger.info("finished: %s holds all %d steps", workdir, config.total_steps)
            return True
        model, optimizer = TarViS(config.model, compute_dtype(config.precision)), make_optimizer(config.optimizer)
        sources = open_sources(config.data)
        for name, source in sources.items():
            logger.info("%s: %d images; %d without things are left out", name, len(source), source.dropped_images)
        state = starting_state(model, optimizer, config, mesh, store)
        if jax.process_index() == 0:
            write_config(config, workdir)
        logger.info("%s: %.1f M parameters", config.model.backbone, parameter_overview.count_parameters(state.params) / 1e6)
        steps = {task: make_train_step(model, optimizer, config, mesh, state, task) for task in TASKS}
        run = TrainingRun(config, workdir, mesh, sources, steps)
        return run.go(state, store, preemption)


class TrainingRun:
    """One process's part of a run, ready to go."""

    def __init__(self, config: TrainConfig, workdir: Path, mesh: Mesh, sources: Sources, steps: dict[str, TrainStep]):
        self._config, self._workdir, self._mesh, self._steps = config, workdir, mesh, steps
        self._sources = sources
        self._mixture = make_mixture(config.data, sources)
        self._class_slots = max(config.model.num_classes(name) for name in sources)
        self._skipped = SkippedRecords(sources)
        self._pictured: set[str] = set()
        self._evaluation = Evaluation(config) if config.eval.every else None

    def go(self, state: TrainState, store: CheckpointStore, preemption: Preemption) -> bool:
        """Steps until the end or a SIGTERM; True when finished."""
        config, start = self._config, int(state.step)
        rows = local_rows(self._mesh, config.data.batch_size)
        with (
            Logbook(self._workdir, start, config.total_steps, config.log_every) as log,
            batches(config.data, self._sources, start_step=start, rows=rows) as stream,
        ):
            if start == 0:
                self._evaluate(0, state, log)
            for step in range(start + 1, config.total_steps + 1):
                state = self._advance(step, state, stream, log)
                self._evaluate(step, state, log)  # before the save: a checkpoint's evaluation is in the log
                stop = preemption.reached(step)
                if stop or step % config.checkpoint_every == 0 or step == config.total_steps:
                    log.flush()  # before the save: a checkpoint's rows are on the disk, and its numbers are finite
                    store.save(step, state)
                if stop:
                    store.wait()
                    logger.info("stopped by SIGTERM after step %d; saved", step)
                    return step == config.total_steps
        store.wait()
        logger.info("finished: %d steps, results in %s", config.total_steps, self._workdir)
        return True

    def _advance(self, step: int, state: TrainState, stream: Iterator[HostBatch], log: Logbook) -> TrainState:
        plan, batch = self._mixture.plan(step - 1), next(stream)
        self._skipped.check(plan.dataset, batch["skipped_record"])
        self._draw(step, plan, batch)
        state, metrics = self._steps[plan.task](state, to_devices(batch, self._mesh), self._classes(plan.dataset))
        log.add({"step": step, "task": plan.task, "dataset": plan.dataset}, metrics)
        return state

    def _evaluate(self, step: int, state: TrainState, log: Logbook) -> None:
        """An evaluation where one is due: its row, the best weights, and after the last step the report."""
        every, last = self._config.eval.every, step == self._config.total_steps
        if not every or (step % every and not last):
            return
        best = max((mean_headline(row) for row in evaluation_rows(self._workdir)), default=float("-inf"))
        scores = dict(self._evaluation.run(state))
        if mean_headline(scores) > best:
            save_best(self._workdir, step, state, self._config)
        log.add_evaluation(step, scores)
        if last:
            write_report(self._workdir, self._evaluation.segmented)

    def _classes(self, dataset: str) -> ClassRange:
        model = self._config.model
        first, count = model.first_class_row(dataset), model.num_classes(dataset)
        return ClassRange(np.int32(first), np.int32(count), slots=self._class_slots)  # one compiled step for all datasets

    def _draw(self, step: int, plan: StepPlan, batch: HostBatch) -> None:
        """A picture of the first clips of each task, and of those at every checkpoint."""
        due = plan.task not in self._pictured or step % self._config.checkpoint_every == 0
        if due and jax.process_index() == 0:
            self._pictured.add(plan.task)
            file = self._workdir / "samples" / f"{step:06d}_{plan.task}_{plan.dataset}.png"
            write_sample_picture(file, batch, categories.load(plan.dataset).names)
