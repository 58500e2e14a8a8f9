"""From a checkpoint of this project to one that the original loads."""

from pathlib import Path

import numpy as np

from tarvis_jax.checkpoints import empty_variables, find_step_folder, read_model_config, read_weights
from tarvis_jax.conversion.names import torch_from_variables
from tarvis_jax.conversion.template import complete_state


def export_checkpoint(checkpoint: Path) -> dict[str, np.ndarray]:
    """The original's state dict of a checkpoint: its names, order, shapes, types and constants.

    Args:
        checkpoint: a workdir, a step's folder, or what `import_checkpoint` was saved as.

    Raises:
        UserError: no checkpoint of a whole model.
    """
    folder = find_step_folder(checkpoint)
    config = read_model_config(folder)
    return complete_state(torch_from_variables(read_weights(folder, empty_variables(config))), config)
