"""Checkpoints of a run: saved in the background by Orbax, found again after a kill at any moment.

A step's folder holds `weights` (params, buffers), `optimizer` and `config`, so that it says by itself which model it is.
"""

import shutil
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from tarvis_jax.checkpoints import CHECKPOINTS, abstract_arrays, read_checkpoint_config, save_weights
from tarvis_jax.config import FORMAT_VERSION, TrainConfig, as_dict
from tarvis_jax.training.state import TrainState

BEST = "best"  # folder of a workdir: the weights of its best evaluation, a CHECKPOINT of its own


class CheckpointStore:
    """The `checkpoints/` folder of a workdir; a context manager that waits for unfinished saves when it closes."""

    def __init__(self, workdir: Path, config: TrainConfig):
        folder = (workdir / CHECKPOINTS).absolute()
        _remove_unfinished(folder)
        options = ocp.CheckpointManagerOptions(max_to_keep=config.keep_checkpoints, enable_async_checkpointing=True)
        self._manager = ocp.CheckpointManager(folder, options=options)
        self._config = {"format_version": FORMAT_VERSION, "config": as_dict(config)}

    def __enter__(self) -> "CheckpointStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()

    def latest_step(self) -> int | None:
        """The newest complete checkpoint's step, None without one."""
        return self._manager.latest_step()

    def read_config(self, step: int) -> dict[str, Any]:
        """The config that a step was saved with; see `read_checkpoint_config`."""
        return read_checkpoint_config(Path(self._manager.directory) / str(step))

    def save(self, step: int, state: TrainState) -> None:
        """Starts to save; the step's folder gets its name when it is complete. Nothing happens if the step is saved already."""
        if step == self.latest_step():
            return
        self._manager.save(
            step,
            args=ocp.args.Composite(
                weights=ocp.args.StandardSave({"params": state.params, "buffers": state.buffers}),
                optimizer=ocp.args.StandardSave(state.optimizer),
                config=ocp.args.JsonSave(self._config),
            ),
        )

    def wait(self) -> None:
        """Returns when every save that was started is complete."""
        self._manager.wait_until_finished()

    def restore(self, step: int, state: TrainState) -> TrainState:
        """The saved state; `state` gives structure, types and placement."""
        weights = {"params": state.params, "buffers": state.buffers}
        saved = self._manager.restore(
            step,
            args=ocp.args.Composite(
                weights=ocp.args.StandardRestore(abstract_arrays(weights)),
                optimizer=ocp.args.StandardRestore(abstract_arrays(state.optimizer)),
            ),
        )
        count = jax.device_put(jax.numpy.asarray(step, state.step.dtype), state.step.sharding)
        return TrainState(count, saved.weights["params"], saved.weights["buffers"], saved.optimizer)


def save_best(workdir: Path, step: int, state: TrainState, config: TrainConfig) -> None:
    """Keeps the weights of a step as the best ones so far, in place of those before."""
    weights = {"params": state.params, "buffers": state.buffers}
    save_weights(workdir / BEST, weights, as_dict(config) | {"step": step})


def _remove_unfinished(folder: Path) -> None:
    """Removes what saves left behind that a kill cut short. Not left to the manager, whose thread for it may outlive it."""
    if jax.process_index() == 0 and folder.is_dir():
        for unfinished in filter(ocp.utils.is_tmp_checkpoint, folder.iterdir()):
            shutil.rmtree(unfinished)
