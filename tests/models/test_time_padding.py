"""A clip in a longer row of frame slots gives what it gives alone."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tarvis_jax.models import temporal_neck
from tarvis_jax.models.object_points import no_prompts
from tarvis_jax.models.queries import ClassRange
from tarvis_jax.models.tarvis import TarViS
from tests.models.small import SMALL

MODEL = TarViS(SMALL)
LENGTHS = (2, 3)
SLOTS = 5


@pytest.fixture(scope="module")
def variables():
    return nn.unbox(jax.jit(partial(MODEL.init, method="initialise"))(jax.random.key(0)))


def _inputs(task):
    if task == "vis":
        return {"classes": ClassRange.of(SMALL, "second")}
    prompts = no_prompts(2, 1, 1, 64, 128)
    masks = prompts.masks.at[:, :, :, 8:40, 16:70].set(True)
    return {"prompts": prompts.replace(masks=masks, valid=prompts.valid | True, frames=prompts.frames + 2)}


@pytest.mark.parametrize("tokens_at_once", [1, 500])  # windows row by row, and all at once
@pytest.mark.parametrize("task", ["vis", "vos"])
def test_frames_behind_the_length_change_nothing(variables, monkeypatch, task, tokens_at_once):
    monkeypatch.setattr(temporal_neck, "TOKENS_AT_ONCE", tokens_at_once)
    images = jax.random.randint(jax.random.key(1), (2, SLOTS, 64, 128, 3), 0, 256, jnp.int32).astype(jnp.uint8)
    forward = jax.jit(partial(MODEL.apply, task=task, train=False, point_key=jax.random.key(2), **_inputs(task)))
    padded = forward(variables, images, lengths=jnp.array(LENGTHS))
    for row, length in enumerate(LENGTHS):
        alone = forward(variables, images[:, :length])
        for group in alone.mask_embeddings:
            for stage in range(SMALL.decoder_layers + 1):
                found, expected = (x.mask_logits(group, stage)[row, :, :length] for x in (padded, alone))
                np.testing.assert_allclose(found, expected, atol=2e-5, err_msg=f"{group}, stage {stage}")
        if alone.class_logits is not None:
            np.testing.assert_allclose(padded.class_logits[:, row], alone.class_logits[:, row], atol=2e-5)
