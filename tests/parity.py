"""How close to the original's stored numbers counts as equal: one bar for all parity tests, in float32 on a CPU."""

import numpy as np

MEDIAN_OF_STD = 1e-4  # median absolute difference, in standard deviations of the reference
PERCENTILE_OF_STD = 1e-2  # 99.9th percentile of the absolute difference, likewise
SIGN_AGREEMENT = 0.9995  # share of mask logits whose sign is the reference's


def assert_close_to_reference(actual, expected, name: str, *, signs: bool = False) -> None:
    """Fails unless `actual` agrees with the stored `expected` within the bar above; `signs` for mask logits."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, the reference has {expected.shape}"
    assert np.isfinite(actual).all(), f"{name}: not finite"
    difference, unit = np.abs(actual - expected), expected.std()
    median, high = np.median(difference) / unit, np.percentile(difference, 99.9) / unit
    assert median < MEDIAN_OF_STD, f"{name}: median difference {median:.2e} of the reference's std, bar {MEDIAN_OF_STD}"
    assert high < PERCENTILE_OF_STD, f"{name}: 99.9 % of differences below {high:.2e} of its std, bar {PERCENTILE_OF_STD}"
    if signs:
        agreement = np.mean((actual > 0) == (expected > 0))
        assert agreement >= SIGN_AGREEMENT, f"{name}: {agreement:.4%} of the signs agree, bar {SIGN_AGREEMENT:.2%}"
