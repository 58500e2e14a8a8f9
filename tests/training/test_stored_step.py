"""One forward and backward pass in training mode against the original's: losses, and the gradient of every parameter."""

import pytest

from tests.models.stored_forward import reference_variables
from tests.parity import GRADIENT, GRADIENT_FLOOR, STEP_LOSS
from tests.training.stored_step import CANCELS, CASES, StoredStep


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_step_is_the_original_s(shared, name):
    figures = StoredStep(shared, name).figures(reference_variables(shared, "resnet50"))
    assert all(difference < STEP_LOSS for difference in figures.losses.values()), figures.losses
    for parameter, (ours, stored) in figures.norms.items():
        if parameter == CANCELS.get(name):
            assert ours < 2 * stored
        else:
            assert abs(ours - stored) <= max(GRADIENT * stored, GRADIENT_FLOOR), f"{parameter}: norm {ours}, stored {stored}"
    assert len(figures.gradients) >= 7
    assert all(share < GRADIENT for share in figures.gradients.values()), figures.gradients
    without, listed = figures.unused
    assert without == listed
