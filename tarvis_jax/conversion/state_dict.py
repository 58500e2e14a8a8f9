"""State dicts as they come from files: finding one, comparing it with what is expected, bringing it to float32."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jax import numpy as jnp

from tarvis_jax.conversion.names import is_constant
from tarvis_jax.conversion.pickles import StoredArray
from tarvis_jax.errors import UserError

logger = logging.getLogger(__name__)

_LISTED = 4  # names of each kind in an error


def find_state_dict(content: Any, source: Path) -> dict[str, np.ndarray]:
    """The arrays by name of a file's content: {"model": {name: array}, ...} or {name: array}.

    Raises:
        UserError: the content is anything else.
    """
    expected = 'expected {"model": {name: tensor}}'
    if not isinstance(content, Mapping):
        raise UserError(f"{source}: holds a {type(content).__name__}, {expected}")
    state = content.get("model", content)
    if not isinstance(state, Mapping) or not state:
        raise UserError(f'{source}: its "model" is no dict of tensors or an empty one, {expected}')
    arrays = {name: value.array if isinstance(value, StoredArray) else value for name, value in state.items()}
    for name, value in arrays.items():
        if not isinstance(name, str) or not name.isprintable() or not isinstance(value, np.ndarray):
            raise UserError(f"{source}: {expected}; found {str(name)[:80]!r}, a {type(value).__name__}, among the names")
    return arrays


def checked_weights(
    state: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], source: Path, model: str
) -> dict[str, np.ndarray]:
    """The weights of a state dict in float32, without constants.

    Raises:
        UserError: the state dict is not exactly what is expected of the model, or has values that are no weights.
    """
    require_same_entries(state, expected, f"{source} does not fit {model}")
    require_same_constants(state, expected, source)
    return as_float32({name: array for name, array in state.items() if not is_constant(name)}, source)


def require_same_entries(state: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], what: str) -> None:
    """Raises `UserError` unless names and shapes are the same; the line counts differences and lists the first of each kind.

    `what` tells the file and what it should hold.
    """
    missing = [f"{name} {_shape(expected[name])}" for name in expected if name not in state]
    unexpected = [f"{name} {_shape(state[name])}" for name in state if name not in expected]
    both = [name for name in expected if name in state and state[name].shape != expected[name].shape]
    misshaped = [f"{name} {_shape(state[name])} (expected {_shape(expected[name])})" for name in both]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshaped}
    problems = [f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds.items() if names]
    if problems:
        raise UserError(f"{what}: {'; '.join(problems)}")


def _shape(array: np.ndarray) -> str:
    return str(list(array.shape))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")


def require_same_constants(state: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], source: Path) -> None:
    """Raises `UserError` for a constant with another value: this model would compute something else than the file's."""
    for name in filter(is_constant, expected):
        found, value = state[name], expected[name]
        if not np.array_equal(found, value.astype(found.dtype)):  # in half precision, constants are rounded like the rest
            raise UserError(f"{source}: {name} is {_values(found)}, this model computes with {_values(value)} alone")


def _values(array: np.ndarray) -> str:
    return np.array2string(array, threshold=8, edgeitems=2).replace("\n", "")


def as_float32(state: Mapping[str, np.ndarray], source: Path) -> dict[str, np.ndarray]:
    """The weights in float32; a line of the log tells what the conversion from other types did.

    Raises:
        UserError: a tensor of other than floating-point numbers, or with NaN or infinite values.
    """
    weights, rounding = {}, {}
    for name, array in state.items():
        if not jnp.issubdtype(array.dtype, np.floating):
            raise UserError(f"{source}: {name} has type {array.dtype}, expected floating-point numbers")
        with np.errstate(over="ignore"):  # found as infinite just below
            weights[name] = array.astype(np.float32, copy=False)
        if not np.isfinite(weights[name]).all():
            raise UserError(f"{source}: {name} holds NaN or infinite values (as float32); the checkpoint is damaged")
        if array.dtype != np.float32:
            error = np.abs(array - weights[name].astype(array.dtype)).max(initial=0)
            rounding.setdefault(array.dtype, []).append(float(error))
    for dtype, errors in rounding.items():
        loss = f"rounded by at most {max(errors):.1e}" if max(errors) > 0 else "exactly"
        logger.info("%s: %d tensors from %s to float32, %s", source, len(errors), dtype, loss)
    return weights
