"""What depends on the machine: the compute type and where compiled programs are kept."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp


def compute_dtype(precision: str) -> jnp.dtype:
    """The model's compute type: bfloat16 on accelerators and float32 on CPUs, unless `precision` ("auto") says which."""
    if precision == "auto":
        precision = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    return jnp.dtype(precision)


def use_compilation_cache() -> None:
    """Compiled programs are kept in JAX_COMPILATION_CACHE_DIR, or the user's cache folder, so that the next start is quick."""
    if not jax.config.jax_compilation_cache_dir:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(base / "tarvis_jax" / "xla"))
