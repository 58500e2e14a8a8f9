"""Trains TarViS.

Examples:
  python -m tarvis_jax.main --config=configs/demo.py --workdir=out/demo
  python -m tarvis_jax.main --config=configs/pretrain.py --config.data_root=/data --workdir=out/pretrain

Any setting is changed by --config.KEY=VALUE. The same command goes on with a run that was stopped.
Exit status: 0 done, 1 the training failed, 2 a mistake in settings or data, 143 stopped by SIGTERM after saving.
"""

import logging
import re
import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import ConfigDict, config_flags

from data.errors import DataError
from tarvis_jax.config import ConfigError, closest, require

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file, with :VARIANT if it has some.", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for checkpoints, metrics and pictures of this run.")

TRAINING_FAILED, USER_MISTAKE, STOPPED = 1, 2, 143  # 143 = 128 + SIGTERM


def parse_flags(argv: Sequence[str]) -> list[str]:
    """Parses the command line; a mistake becomes a `ConfigError`, unknown config keys with the closest that exist."""
    try:
        rest = flags.FLAGS(argv)
        require(_CONFIG.value is not None, "--config is missing; for a first try: --config=configs/demo.py --workdir=out/demo")
        require(_WORKDIR.value is not None, "--workdir is missing: a folder for this run's checkpoints and results")
        _CONFIG.value.to_dict()  # a config file that cannot be read is reported on the first use
    except AttributeError:  # ml_collections' answer to an unknown key, without its full name
        _check_keys(argv)
        raise
    except (flags.Error, OSError) as error:
        # An error inside a config file comes with its traceback; the last line says what it is.
        raise ConfigError(str(error).strip().splitlines()[-1].removeprefix("ValueError: ")) from error
    return rest


def _check_keys(argv: Sequence[str]) -> None:
    """Raises `ConfigError` for the first --config.KEY that the config file does not have."""
    (file, _, variant), *_ = (arg.removeprefix("--config=").partition(":") for arg in argv if arg.startswith("--config="))
    known = _keys(runpy.run_path(file)["get_config"](*filter(None, [variant])))
    for arg in argv:
        key = re.match(r"--config\.([^=]+)", arg)
        require(key is None or key[1] in known, key and f"config.{key[1]} is not a setting; {closest(key[1], known)}")


def _keys(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    nested = [_keys(v, f"{prefix}{k}.") if isinstance(v, ConfigDict) else [prefix + k] for k, v in config.items()]
    return [key for keys in nested for key in keys]


def flags_or_exit(argv: Sequence[str]) -> list[str]:
    """Parses the command line, or leaves with one line and exit status 2."""
    try:
        return parse_flags(argv)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USER_MISTAKE)


def run(values: Mapping[str, Any], workdir: Path) -> tuple[int, str]:
    """Prepares the workdir and its data, and trains.

    Returns:
        The exit status and, unless all is well, what went wrong. No error leaves this function, as its traceback would keep
        arrays alive that share memory with the reader processes.
    """
    # Imported here, so that a misspelt flag is answered at once.
    from tarvis_jax.training.data_root import find_data_root
    from tarvis_jax.training.logbook import NonFiniteError
    from tarvis_jax.training.loop import train
    from tarvis_jax.training.settings import train_config

    try:
        workdir.mkdir(parents=True, exist_ok=True)
        finished = train(train_config(values, find_data_root(values, workdir)), workdir)
    except (ConfigError, DataError) as error:
        return USER_MISTAKE, str(error)
    except NonFiniteError as error:
        return TRAINING_FAILED, str(error)
    return (0 if finished else STOPPED), ""


def _show_progress() -> None:
    """This program's own messages from INFO on, those of the libraries from WARNING on."""
    absl_logging.get_absl_handler().setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    absl_logging.set_verbosity(absl_logging.WARNING)
    logging.getLogger("tarvis_jax").setLevel(logging.INFO)


def main(_: Sequence[str]) -> None:
    """Trains as the command line says, and leaves with the exit status of the module's docstring."""
    _show_progress()
    status, problem = run(_CONFIG.value.to_dict(), Path(_WORKDIR.value))
    if problem:
        print(f"error: {problem}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    app.run(main, flags_parser=flags_or_exit)
