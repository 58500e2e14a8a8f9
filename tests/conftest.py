"""Settings of every test: several CPU devices, no silent promotion of types or ranks, where the reference data lies."""

import os
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
_DEVICES = "--xla_force_host_platform_device_count=4 --xla_cpu_collective_call_terminate_timeout_seconds=600"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_DEVICES}".strip()

import jax  # noqa: E402 - the flags above must come first
import pytest  # noqa: E402
from absl import flags  # noqa: E402

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_compilation_cache_dir", str(Path.home() / ".cache" / "tarvis_jax" / "xla"))
flags.FLAGS.mark_as_parsed()  # worker processes of grain want parsed flags


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference numbers and real samples; tests that need it are skipped where it does not exist."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("TARVIS_SHARED", default))
    if not (folder / "reference").is_dir():
        pytest.skip(f"no reference data at {folder} (set TARVIS_SHARED)")
    return folder
