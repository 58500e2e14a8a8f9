"""From the values of a config file (`ml_collections`, flat keys as in the README) to the dataclasses of `config.py`."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data import categories
from tarvis_jax.config import (
    FORMAT_VERSION,
    DataConfig,
    EvalConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
    as_dict,
    closest,
    require,
)


def train_config(values: Mapping[str, Any], data_root: str) -> TrainConfig:
    """The run that the config file and the command line ask for.

    Args:
        values: the config's keys.
        data_root: the folder with the datasets.

    Raises:
        ConfigError: one line for the first mistake.
    """
    return TrainConfig(
        model=ModelConfig(**values["model"], vocabulary=categories.vocabulary("pretrain")),
        data=_data_config(values, data_root),
        optimizer=_pick(OptimizerConfig, {**values, "decay_steps": tuple(values["decay_steps"])}),
        loss=LossConfig(**values["loss"]),
        eval=EvalConfig(**values["eval"]),
        mesh_data=values["mesh"]["data"],
        mesh_fsdp=values["mesh"]["fsdp"],
        **_values_of(TrainConfig, values, without=("model", "data", "optimizer", "loss", "eval")),
    )


def _data_config(values: Mapping[str, Any], data_root: str) -> DataConfig:
    weights = values["dataset_weights"]
    names = [name.strip() for name in values["datasets"].split(",") if name.strip()]
    require(bool(names), "config.datasets is empty: expected names separated by commas, such as coco,ade20k")
    for name in names:
        require(name in weights, f"config.datasets={values['datasets']}: {name!r} is not a dataset; {closest(name, weights)}")
    special = {
        "data_root": data_root,
        "dataset_weights": {name: weights[name] for name in names},
        "task_weights": dict(values["task_weights"]),
    }
    return DataConfig(**special, **_values_of(DataConfig, values, without=special))


def _values_of(config_class: type, values: Mapping[str, Any], without: Any = ()) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(config_class)} - set(without)
    return {name: values[name] for name in names if name in values}


def _pick(config_class: type, values: Mapping[str, Any]) -> Any:
    return config_class(**_values_of(config_class, values))


def write_config(config: TrainConfig, workdir: Path) -> None:
    """Writes the resolved config to `workdir/config.json`, all at once."""
    temporary = workdir / "config.json.tmp"
    temporary.write_text(json.dumps({"format_version": FORMAT_VERSION, "config": as_dict(config)}, indent=1) + "\n")
    temporary.replace(workdir / "config.json")
