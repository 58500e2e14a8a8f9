"""Where a run's data lies: the user's folder, or toy data drawn under the workdir."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.toyworld import draw_coco
from tarvis_jax.config import require

logger = logging.getLogger(__name__)


def find_data_root(values: Mapping[str, Any], workdir: Path) -> str:
    """`config.data_root`, or, for a config with a toy world, `workdir/data`, drawn if it is not there yet.

    Raises:
        ConfigError: neither is given.
    """
    if values["data_root"]:
        return values["data_root"]
    require(
        "toyworld" in values,
        "config.data_root is not set: expected the folder that holds one folder per dataset (data/README.md shows the "
        "layouts); --config=configs/demo.py needs no data, it draws its own",
    )
    root = workdir / "data"
    if not (root / "coco").exists():
        logger.info("drawing %d toy images under %s", values["toyworld"]["images"], root)
        draw_coco(root, images=values["toyworld"]["images"], seed=values["seed"])
    return str(root)
