"""What a training run carries from step to step."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.sharding import Mesh

from tarvis_jax.models.tarvis import TarViS
from tarvis_jax.training.sharding import replicated, variable_shardings


@struct.dataclass
class TrainState:
    """`step` counts completed updates; `buffers` are the frozen batch norms, which no update touches."""

    step: jax.Array
    params: Any
    buffers: Any
    optimizer: optax.OptState


def initial_state(model: TarViS, optimizer: optax.GradientTransformation, mesh: Mesh, seed: int) -> TrainState:
    """A state with random weights, every array made where the mesh wants it."""

    def boxed(key: jax.Array) -> TrainState:
        variables = model.init(key, method="initialise")
        params = variables["params"]
        return TrainState(jnp.zeros((), jnp.int32), params, variables.get("buffers", {}), optimizer.init(nn.unbox(params)))

    key = jax.random.key(seed)
    shardings = state_shardings(jax.eval_shape(boxed, key), optimizer, mesh)
    return jax.jit(lambda k: nn.unbox(boxed(k)), out_shardings=shardings)(key)


def state_shardings(abstract: TrainState, optimizer: optax.GradientTransformation, mesh: Mesh) -> TrainState:
    """Shardings of a state whose params are boxed with logical axes; moments lie where their parameters lie."""
    params = variable_shardings(abstract.params, mesh)
    moments = optax.tree_utils.tree_map_params(
        optimizer,
        lambda _, sharding: sharding,
        abstract.optimizer,
        params,
        transform_non_params=lambda _: replicated(mesh),
    )
    buffers = jax.tree.map(lambda _: replicated(mesh), abstract.buffers)
    return TrainState(replicated(mesh), params, buffers, moments)
