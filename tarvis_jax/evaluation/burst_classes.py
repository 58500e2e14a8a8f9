"""The classes of BURST that are scored (Athar et al., BURST: A Benchmark for Unifying Object Recognition, Segmentation and
Tracking in Video, WACV 2023), by their category ids in TAO's list."""

from data import categories

# Tracks of the ground truth with these categories are left out, before categories are merged.
# fmt: off
DISTRACTORS = frozenset((
    20, 63, 108, 180, 188, 204, 212, 247, 303, 403, 407, 415, 490, 504, 507, 513, 529, 567, 569, 588, 672, 691, 702, 708, 711,
    720, 736, 737, 798, 813, 815, 827, 831, 851, 877, 883, 912, 971, 976, 1130, 1133, 1134, 1169, 1184, 1220,
))
# fmt: on
MERGED = {504: 347, 720: 347, 912: 529, 967: 529, 207: 554, 153: 943, 201: 1175}  # category -> the one that it counts as
OBJECT = 1  # id of the one class of the open-world task
DROPPED = -1  # category of what is left out

_KNOWN = categories.load("burst")
NAMES = dict(zip(_KNOWN.ids, _KNOWN.names, strict=True))
COMMON = frozenset(category for category, common in zip(_KNOWN.ids, _KNOWN.common, strict=True) if common)


def merged(category: int) -> int:
    """The category as which a category counts."""
    return MERGED.get(category, category)
