"""Reads and writes PyTorch files. The only module that imports torch; nothing that a file asks to be run is run."""

import warnings
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jax.numpy import bfloat16

from tarvis_jax.conversion.pickles import STAND_INS, clear_errors
from tarvis_jax.errors import UserError

_ZIP = b"PK\x03\x04"  # how files of PyTorch 1.6 and later begin; these alone can be mapped into memory

_OLDEST_SAFE = (2, 6)  # before it, weights_only=True was not enough (CVE-2025-32434)


def read_torch(path: Path) -> Any:
    """What a file of `torch.save` holds, with arrays for the tensors in the outermost dict and in the dicts within it.

    Dense tensors become views of the file's memory.

    Raises:
        UserError: no suitable torch is installed; no readable PyTorch file, or one with more than tensors and plain values.
    """
    torch = require_torch()
    stand_ins = [(stand_in, name) for name, stand_in in STAND_INS.items()]
    with clear_errors(path, "PyTorch checkpoint"):
        with path.open("rb") as file:
            mapped = file.read(len(_ZIP)) == _ZIP
        with torch.serialization.safe_globals(stand_ins), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's hints for those who write such files
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    return _with_arrays(torch, content, levels=2)


def write_torch(path: Path, state: Mapping[str, np.ndarray]) -> None:
    """Writes {"model": state dict}, tensors in the order given; the file gets its name when it is complete.

    Raises:
        UserError: no suitable torch is installed.
    """
    torch = require_torch()
    tensors = OrderedDict((name, torch.from_numpy(np.require(array, requirements="CW"))) for name, array in state.items())
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            torch.save({"model": tensors}, file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_torch() -> ModuleType:
    """The module torch, or a `UserError` that says how to get one that can be trusted."""
    try:
        import torch
    except ImportError as error:
        raise UserError(
            "PyTorch files need torch, which is not installed: python -m pip install -r requirements-convert.txt (its comment "
            "says which wheel a machine without a GPU wants)"
        ) from error
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _OLDEST_SAFE:
        raise UserError(
            f"torch {torch.__version__} is installed, whose reader can be made to run code; "
            "python -m pip install -r requirements-convert.txt"
        )
    return torch


def _with_arrays(torch: ModuleType, content: Any, levels: int) -> Any:
    """The same content with arrays for tensors, `levels` dicts deep."""
    if isinstance(content, torch.Tensor):
        return _array(torch, content.detach())
    if isinstance(content, Mapping) and levels:
        return {key: _with_arrays(torch, value, levels - 1) for key, value in content.items()}
    return content


def _array(torch: ModuleType, tensor: Any) -> Any:
    """A view of a tensor's memory, or the tensor itself where numpy has nothing like it (sparse, quantized)."""
    try:
        if tensor.dtype == torch.bfloat16:
            return tensor.view(torch.int16).numpy().view(bfloat16)
        return tensor.numpy()
    except (TypeError, RuntimeError):
        return tensor
