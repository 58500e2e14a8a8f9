"""How close to the original's stored numbers counts as equal: one bar for all parity tests, in float32 on a CPU."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

MEDIAN_OF_STD = 1e-4  # median absolute difference, in standard deviations of the reference
PERCENTILE_OF_STD = 1e-2  # 99.9th percentile of the absolute difference, likewise
SIGN_AGREEMENT = 0.9995  # share of mask logits whose sign is the reference's

ROUNDING = 1e-5  # of the original's helper functions, whose values are of the order of 1, absolute
LOSS = 1e-4  # of the parts of the losses, given the stored points, relative; matching costs and gradients to the largest
STEP_LOSS = 1e-3  # of the losses of a whole training step, relative
GRADIENT = 1e-2  # of the norm of a parameter's gradient in such a step; of the difference of the full gradients, to the norm
GRADIENT_FLOOR = 1e-6  # below which the norm of a gradient is nothing


class Agreement(NamedTuple):
    """How far an array is from the reference: the bar's figures, the sign agreement of mask logits alone (else None)."""

    name: str
    median: float
    percentile: float
    signs: float | None

    def misses(self) -> list[str]:
        """What misses the bar, in words; empty if nothing does. Anything that is not finite misses it."""
        found = []
        if not self.median < MEDIAN_OF_STD:
            found.append(f"{self.name}: median difference {self.median:.2e} of the reference's std, bar {MEDIAN_OF_STD}")
        if not self.percentile < PERCENTILE_OF_STD:
            found.append(f"{self.name}: 99.9 % of differences below {self.percentile:.2e} of its std, bar {PERCENTILE_OF_STD}")
        if self.signs is not None and not self.signs >= SIGN_AGREEMENT:
            found.append(f"{self.name}: {self.signs:.4%} of the signs agree, bar {SIGN_AGREEMENT:.2%}")
        return found


def compare(actual, expected, name: str, *, signs: bool = False) -> Agreement:
    """The figures of `actual` against the stored `expected`, which must have its shape; `signs` for mask logits."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, the reference has {expected.shape}"
    difference, unit = np.abs(actual - expected), expected.std()
    agreement = float(np.mean((actual > 0) == (expected > 0))) if signs else None
    return Agreement(name, float(np.median(difference) / unit), float(np.percentile(difference, 99.9) / unit), agreement)


def assert_within_bar(agreements: Iterable[Agreement]) -> None:
    """Fails with all that misses the bar."""
    misses = [miss for agreement in agreements for miss in agreement.misses()]
    assert not misses, "\n".join(misses)


def assert_close_to_reference(actual, expected, name: str, *, signs: bool = False) -> None:
    """Fails unless `actual` agrees with the stored `expected` within the bar above; `signs` for mask logits."""
    assert_within_bar([compare(actual, expected, name, signs=signs)])
