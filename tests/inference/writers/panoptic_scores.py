"""The scores of damaged results of the drawn video in VPQ, which all windows share since all frames are alike."""

from tests.inference.writers import drawn

RIGHT = drawn.SIZE[0] * drawn.SIZE[1] // 2  # pixels of the right half, which object 2 stands on
STUFF = RIGHT - drawn.SIDES[2] ** 2
NEW = drawn.SIDES[2] * drawn.SHIFT  # pixels that the shifted object takes from the stuff
SCORES = {  # damage, and PQ of the left stuff, the right stuff, object 1, object 2
    "perfect": (lambda ids: ids, (1, 1, 1, 1)),
    "removed": (drawn.removed, (1, STUFF / RIGHT, 1, 0)),
    "swapped": (drawn.swapped, (1, 1, 0, 0)),
    "shifted": (drawn.shifted, (1, (STUFF - NEW) / (STUFF + NEW), 1, drawn.SHIFTED_IOU)),
}


def assert_scores(summary, expected):
    """VPQ of things, stuff and both."""
    stuff, things = expected[:2], expected[2:]
    means = {"VPQ": expected, "VPQ_thing": things, "VPQ_stuff": stuff}
    for key, values in means.items():
        assert abs(summary[key] - 100 * sum(values) / len(values)) < 1e-10
