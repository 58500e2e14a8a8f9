"""One forward and backward pass in training mode against the original's: losses, and the gradient of every parameter."""

import jax
import pytest

from tests.models.stored_forward import reference_variables
from tests.training.stored_step import CASES, StoredStep, misses


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_step_is_the_original_s(shared, name):
    step, variables = StoredStep(shared, name), reference_variables(shared, "resnet50")
    figures = step.figures(variables)
    assert len(figures.gradients) >= 7
    assert not misses(figures, name)

    def scale(path, x):
        return 1.05 * x if jax.tree_util.keystr(path).endswith("['neck']['mask_features']['kernel']") else x

    assert misses(step.figures(jax.tree_util.tree_map_with_path(scale, variables)), name)  # one wrong weight is seen
