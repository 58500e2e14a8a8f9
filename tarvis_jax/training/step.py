"""One training step: forward, losses, gradients, update. One compiled program per task."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from tarvis_jax.config import TrainConfig
from tarvis_jax.losses.points import PointDraws
from tarvis_jax.losses.tasks import vis_losses, vos_losses, vps_losses
from tarvis_jax.models.queries import ClassRange
from tarvis_jax.models.tarvis import TarViS
from tarvis_jax.training.batch import Batch, object_prompts, split_rows
from tarvis_jax.training.optimizer import learning_rate_schedule
from tarvis_jax.training.sharding import replicated
from tarvis_jax.training.state import TrainState

Metrics = dict[str, jax.Array]
TrainStep = Callable[[TrainState, Batch, ClassRange], tuple[TrainState, Metrics]]

TASK_LOSSES = {"vis": vis_losses, "vps": vps_losses, "vos": vos_losses}


def make_loss(model: TarViS, config: TrainConfig, mesh: Mesh, task: str) -> Callable[..., tuple[jax.Array, Metrics]]:
    """The loss of one task as a function (params, buffers, batch, classes, key) -> (total, parts).

    The parts are weighted sums over the prediction stages; the total is their sum.
    """

    def loss(params: Any, buffers: Any, batch: Batch, classes: ClassRange, key: jax.Array) -> tuple[jax.Array, Metrics]:
        point_key, loss_key, drop_key = jax.random.split(key, 3)
        predictions = model.apply(
            {"params": params, "buffers": buffers},
            batch["images"],
            task=task,
            classes=classes,
            prompts=object_prompts(batch) if task == "vos" else None,
            train=True,
            point_key=point_key,
            rngs={"drop_path": drop_key},
        )
        parts = TASK_LOSSES[task](predictions, batch, PointDraws(loss_key), config.loss, mesh)
        return sum(parts.values()), parts

    return loss


def make_train_step(
    model: TarViS,
    optimizer: optax.GradientTransformation,
    config: TrainConfig,
    mesh: Mesh,
    state: TrainState,
    task: str,
) -> TrainStep:
    """The jitted step of one task; it gives its state argument's memory to the result.

    The random numbers of a step are a function of (seed, step), so a resumed run draws the same.

    Returns:
        A function (state, batch, classes) -> (state, metrics): the loss, its parts, `grad_norm` before clipping,
        `learning_rate` of this update, `skipped_records` and, for vos, `point_objects`.
    """
    gradient = jax.value_and_grad(make_loss(model, config, mesh, task), has_aux=True)
    schedule = learning_rate_schedule(config.optimizer)

    def accumulated(state: TrainState, batch: Batch, classes: ClassRange, key: jax.Array) -> Any:
        """((loss, parts), gradients), means over the parts of the batch."""

        def add(total: Any, part: tuple[Batch, jax.Array]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, gradient(state.params, state.buffers, part[0], classes, part[1])), None

        rows, keys = split_rows(batch, config.accumulate), jax.random.split(key, config.accumulate)
        first = gradient(state.params, state.buffers, jax.tree.map(lambda x: x[0], rows), classes, keys[0])
        if config.accumulate == 1:
            return first
        total, _ = jax.lax.scan(add, first, jax.tree.map(lambda x: x[1:], (rows, keys)))
        return jax.tree.map(lambda x: x / config.accumulate, total)

    def step(state: TrainState, batch: Batch, classes: ClassRange) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.data.seed), state.step)
        (loss, parts), gradients = accumulated(state, batch, classes, key)
        updates, moments = optimizer.update(gradients, state.optimizer, state.params)
        metrics = {
            "loss": loss,
            **parts,
            "learning_rate": jnp.asarray(schedule(state.step), jnp.float32),
            "grad_norm": optax.tree.norm(gradients),
            "skipped_records": jnp.sum(batch["skipped_record"] >= 0),
        }
        if task == "vos":
            metrics["point_objects"] = jnp.sum(batch["is_point"] & batch["instance_valid"])
        params = optax.apply_updates(state.params, updates)
        return TrainState(state.step + 1, params, state.buffers, moments), metrics

    shardings = jax.tree.map(lambda x: x.sharding, state)
    return jax.jit(step, donate_argnums=0, out_shardings=(shardings, replicated(mesh)))
