"""The whole network against the original's stored forward passes, with ResNet-50 and Swin-T."""

from functools import cache, partial

import numpy as np
import pytest
from flax import traverse_util

from tests.models.stored_forward import CASES, StoredCase, reference_variables
from tests.parity import assert_within_bar

# One tensor of each part that every pass of a task goes through.
PARTS = {
    "resnet50": "params/backbone/res2_1/conv2/conv/kernel",
    "swin_tiny": "params/backbone/layers_0_0/attn/qkv/kernel",
    "neck": "params/neck/temporal_2/self_attn/in_proj_kernel",
    "vis": "params/queries/instance_table",
    "vps": "params/queries/semantic_table",
    "vos": "params/object_encoder/cross_attention_1/attention/in_proj_kernel",
    "decoder": "params/decoder/cross_attention_3/attention/in_proj_kernel",
}


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def names(request):
    """Backbone and name of a case."""
    return request.param


@pytest.fixture(scope="module")
def case(shared, names):
    return StoredCase(shared, *names)


@pytest.fixture(scope="module")
def variables_of(shared):
    return cache(partial(reference_variables, shared))


@pytest.mark.slow
def test_everything_stored_agrees(case, names, variables_of):
    agreements = case.compare(variables_of(names[0]))
    assert_within_bar(agreements)
    results = {key for key, x in case.stored.items() if x.dtype.kind == "f" and "ref_points" not in key}
    assert {agreement.name for agreement in agreements} == results


@pytest.mark.slow
@pytest.mark.parametrize("part", ["backbone", "neck", "queries", "decoder"])
def test_a_wrong_tensor_is_noticed(case, names, variables_of, part):
    """One tensor, 5 % too large, moves the final masks beyond the bar."""
    path = PARTS[{"backbone": names[0], "queries": case.task}.get(part, part)]
    flat = traverse_util.flatten_dict(variables_of(names[0]), sep="/")
    wrong = traverse_util.unflatten_dict({**flat, path: flat[path] * np.float32(1.05)}, sep="/")
    missed = {agreement.name for agreement in case.compare(wrong) if agreement.misses()}
    assert missed >= {f"{prefix}mask_logits_l9" for prefix in case.clips}


@pytest.mark.parametrize("names", [names for names in CASES if names[1] in ("vos", "pet")], ids="-".join, indirect=True)
def test_masks_carried_into_the_second_clip(case):
    """Prompts of the second clip are the masks that the original made of its first, and the new object's."""
    shape = case.stored["b_enc_ref_masks_shape"]
    expected = np.unpackbits(case.stored["b_enc_ref_masks"]).reshape(shape)
    np.testing.assert_array_equal(case.clips["b_"]["prompts"].masks[0, :, : shape[1]], expected)
