"""Decoder: groups, empty queries, heads. The original's numbers are compared in test_tarvis.py."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tarvis_jax.models.decoder import Decoder
from tarvis_jax.models.queries import ClassRange, ObjectQueries, QueryTables
from tests.models.small import SMALL, random_features

DECODER, TABLES = Decoder(SMALL), QueryTables(SMALL)
FEATURES = random_features(1, 2, 64, 128)


@pytest.fixture(scope="module")
def variables():
    keys = jax.random.split(jax.random.key(0), 2)
    tables = nn.unbox(TABLES.init(keys[0], ClassRange.of(SMALL, "first"), 1, method="for_classes"))
    queries = TABLES.apply(tables, ClassRange.of(SMALL, "first"), 1, method="for_classes")
    decoder = nn.unbox(jax.jit(DECODER.init)(keys[1], FEATURES, queries))
    return {"tables": tables, "decoder": {"params": decoder["params"]}}


@jax.jit
def _classes(variables, classes):
    queries = TABLES.apply(variables["tables"], classes, 1, method="for_classes")
    return DECODER.apply(variables["decoder"], FEATURES, queries)


@pytest.mark.parametrize("dataset", ["first", "second"])
def test_empty_class_slots_change_nothing(variables, dataset):
    exact = ClassRange.of(SMALL, dataset)
    expected, actual = _classes(variables, exact), _classes(variables, exact.replace(slots=7))
    k = exact.count
    assert expected.class_logits.shape == (4, 1, 6, 1 + k) and actual.class_logits.shape == (4, 1, 6, 8)
    np.testing.assert_array_equal(actual.valid("semantic")[0], np.arange(7) < k)
    np.testing.assert_allclose(actual.class_logits[..., : 1 + k], expected.class_logits, atol=1e-5)
    assert not jax.nn.softmax(actual.class_logits)[..., 1 + k :].any()
    for group in ("instance", "background", "semantic"):
        used = actual.valid(group)[0]
        np.testing.assert_allclose(actual.mask_logits(group, 3)[:, used], expected.mask_logits(group, 3), atol=1e-4)


def test_predictions_of_the_heads_as_they_are_described(variables):
    predictions = _classes(variables, ClassRange.of(SMALL, "first"))
    logits = predictions.mask_logits("semantic", 2)
    assert logits.shape == (1, 3, 2, 16, 32)
    product = predictions.mask_embeddings["semantic"][2, 0, 1] @ predictions.features[0, 1, 5, 7]
    np.testing.assert_allclose(logits[0, 1, 1, 5, 7], product, rtol=1e-4)

    params = variables["decoder"]["params"]
    initial = TABLES.apply(variables["tables"], ClassRange.of(SMALL, "first"), 1, method="for_classes").initial[0]
    normed = (initial - initial.mean(-1, keepdims=True)) / initial.std(-1, keepdims=True)
    rows = {"instance": slice(0, 6), "background": slice(6, 7), "semantic": slice(7, 10)}
    head = {
        g: normed[s] @ params[f"class_head_{g}"]["kernel"] + params[f"class_head_{g}"]["bias"][None] for g, s in rows.items()
    }
    others = np.concatenate([head["background"], head["semantic"]])
    np.testing.assert_allclose(predictions.class_logits[0, 0], head["instance"] @ others.T, atol=1e-3)


def test_objects_have_masks_but_no_classes(variables):
    random = jax.random.normal(jax.random.key(1), (1, 20, SMALL.width))
    valid = jnp.array([[True, False, True, True]])

    @jax.jit
    def apply(objects):
        queries = ObjectQueries(objects, random[:, 4:], valid, per_object=2)
        return DECODER.apply(variables["decoder"], FEATURES, TABLES.apply(variables["tables"], queries, method="for_objects"))

    expected, changed = apply(random[:, :4]), apply(random[:, :4].at[0, 1].set(50))
    assert expected.class_logits is None and expected.mask_embeddings.keys() == {"background_vos", "vos"}
    np.testing.assert_array_equal(expected.valid("vos"), valid)
    assert expected.valid("background_vos").all()
    for stage in range(4):
        before, after = (x.mask_embeddings["vos"][stage, 0] for x in (expected, changed))
        np.testing.assert_array_equal(before[valid[0]], after[valid[0]])
        assert np.abs(before[1] - after[1]).max() > 1e-3


def test_all_heads_have_variables_and_the_unused_no_gradient(variables):
    params = variables["decoder"]["params"]
    heads = {name for name in params if "head" in name}
    groups = {"instance", "background", "semantic", "background_vos", "vos"}
    assert heads == {f"class_head_{g}" for g in groups} | {f"mask_head_{g}" for g in groups | {"free"}}

    def total(params):
        predictions = _classes({**variables, "decoder": {"params": params}}, ClassRange.of(SMALL, "first"))
        return sum((x**2).sum() for x in jax.tree.leaves((predictions.mask_embeddings, predictions.class_logits)))

    gradients = jax.jit(jax.grad(total))(params)
    still = {name for name in heads if not any(x.any() for x in jax.tree.leaves(gradients[name]))}
    assert still == {
        "mask_head_free",
        "mask_head_vos",
        "mask_head_background_vos",
        "class_head_vos",
        "class_head_background_vos",
    }
