"""Training begins with converted weights, and what it saves goes back to the original."""

import pickle

import numpy as np
import pytest

from tarvis_jax.config import DataConfig, OptimizerConfig, TrainConfig
from tarvis_jax.conversion.names import torch_from_variables
from tarvis_jax.convert import main
from tarvis_jax.models.tarvis import TarViS
from tarvis_jax.training.checkpoints import CheckpointStore
from tarvis_jax.training.optimizer import make_optimizer
from tarvis_jax.training.sharding import make_mesh
from tarvis_jax.training.start import starting_state
from tests.conversion.imagenet import resnet
from tests.conversion.states import SMALL, random_state

pytestmark = pytest.mark.slow  # compiles the start of a run

DATA = DataConfig(data_root="", dataset_weights={"coco": 1.0}, task_weights={"vis": 1.0}, batch_size=4, instance_slots=8)


def _start(workdir, **weights):
    """The first state of a run, saved as its step 3."""
    config = TrainConfig(SMALL, DATA, OptimizerConfig(decay_steps=()), **weights)
    with CheckpointStore(workdir, config) as store:
        state = starting_state(TarViS(SMALL), make_optimizer(config.optimizer), config, make_mesh(config), store)
        store.save(3, state)
        store.wait()
    return state


def test_init_from_a_converted_checkpoint_and_back(torch, tmp_path):
    original = random_state(SMALL)
    torch.save({"model": {name: torch.from_numpy(array) for name, array in original.items()}}, tmp_path / "w.pth")
    assert main(["from_torch", f"--input={tmp_path / 'w.pth'}", f"--output={tmp_path / 'start'}"]) == 0
    state = _start(tmp_path / "run", init_from=str(tmp_path / "start"))
    found = torch_from_variables({"params": state.params, "buffers": state.buffers})
    assert all(np.array_equal(array, original[name]) for name, array in found.items())

    assert main(["to_torch", f"--input={tmp_path / 'run'}", f"--output={tmp_path / 'back.pth'}"]) == 0
    back = torch.load(tmp_path / "back.pth", weights_only=True)["model"]
    assert list(back) == list(original)
    assert all(np.array_equal(tensor.numpy(), original[name]) for name, tensor in back.items())


def test_backbone_from_imagenet_weights(tmp_path):
    _, detectron2 = resnet(16, (1, 1, 2, 1))
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps({"model": detectron2}))
    assert main(["backbone", f"--input={tmp_path / 'R-50.pkl'}", f"--output={tmp_path / 'imagenet'}", "--backbone=tiny"]) == 0
    state = _start(tmp_path / "run", backbone_from=str(tmp_path / "imagenet"))
    found = torch_from_variables({"params": state.params, "buffers": state.buffers})
    prefix = "backbone.backbone."
    backbone = {name.removeprefix(prefix): array for name, array in found.items() if name.startswith(prefix)}
    assert backbone.keys() == {name for name in detectron2 if not name.startswith("stem.fc")}
    assert all(np.array_equal(array, detectron2[name]) for name, array in backbone.items())
    assert found["decoder.scale_embed.weight"].std() > 0.1  # the rest is random
