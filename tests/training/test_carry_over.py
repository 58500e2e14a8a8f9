"""From one stage of training to the next: class queries go to the classes that mean the same."""

import dataclasses

import jax
import numpy as np

from data import categories
from tarvis_jax.checkpoints import save_weights
from tarvis_jax.config import as_dict
from tarvis_jax.models.tarvis import TarViS
from tarvis_jax.training.carry_over import carried_rows
from tarvis_jax.training.checkpoints import CheckpointStore
from tarvis_jax.training.optimizer import make_optimizer
from tarvis_jax.training.sharding import make_mesh
from tarvis_jax.training.start import starting_state
from tarvis_jax.training.state import initial_state

PRETRAIN, FINETUNE = categories.vocabulary("pretrain"), categories.vocabulary("finetune")


def test_classes_go_to_the_classes_of_the_same_name():
    source, target = (dict(zip(x, range(len(x)), strict=True)) for x in carried_rows(PRETRAIN, FINETUNE))
    assert len(source) == 1 + 19  # each row of Cityscapes serves two datasets
    names, new_names = (["embed", *_class_names(vocabulary)] for vocabulary in (PRETRAIN, FINETUNE))
    pairs = list(zip(*carried_rows(PRETRAIN, FINETUNE), strict=True))
    assert len(pairs) == len(target) == 1 + 2 * 19
    for old, new in pairs:
        assert new_names[new].replace("vegitation", "vegetation") == names[old]
    assert {new for _, new in pairs} == set(range(39))  # the first rows are those of cityscapes_vps and kitti_step


def _class_names(vocabulary):
    return [name for dataset, _ in vocabulary for name in categories.load(dataset).names]


def test_a_run_starts_from_weights_of_the_stage_before(small_config, tmp_path):
    before = dataclasses.replace(small_config.model, vocabulary=PRETRAIN)
    model = dataclasses.replace(before, vocabulary=FINETUNE)
    after = dataclasses.replace(small_config, model=model, init_from=str(tmp_path / "w"))
    mesh, optimizer = make_mesh(after), make_optimizer(after.optimizer)
    old = initial_state(TarViS(before), optimizer, mesh, seed=1)
    save_weights(tmp_path / "w", {"params": old.params, "buffers": old.buffers}, {"model": as_dict(before)})
    fresh = initial_state(TarViS(model), optimizer, mesh, seed=after.data.seed)
    with CheckpointStore(tmp_path / "run", after) as store:
        started = starting_state(TarViS(model), optimizer, after, mesh, store)

    tables = [np.asarray(x.params["queries"]["semantic_table"]) for x in (old, fresh, started)]
    source, target = carried_rows(PRETRAIN, FINETUNE)
    np.testing.assert_array_equal(tables[2][target], tables[0][source])
    others = np.setdiff1d(np.arange(len(tables[1])), target)
    np.testing.assert_array_equal(tables[2][others], tables[1][others])
    for (path, x), (_, y) in zip(*map(jax.tree_util.tree_leaves_with_path, (old.params, started.params)), strict=True):
        if "semantic_table" not in jax.tree_util.keystr(path):
            np.testing.assert_array_equal(x, y, err_msg=jax.tree_util.keystr(path))
