"""From a checkpoint of this project to one that the original loads."""

from pathlib import Path

from tarvis_jax.conversion.files import write_torch
from tarvis_jax.conversion.names import torch_from_variables
from tarvis_jax.conversion.template import complete_state, empty_variables
from tarvis_jax.training.checkpoints import find_step_folder, read_model_config, read_weights


def export_checkpoint(checkpoint: Path, output: Path) -> int:
    """Writes {"model": state dict} with the original's names, order, shapes, types and constants; returns their number.

    Args:
        checkpoint: a workdir, a step's folder, or what `import_checkpoint` was saved as.
        output: the file, replaced if it exists.

    Raises:
        UserError: no checkpoint of a whole model, or torch is not installed.
    """
    folder = find_step_folder(checkpoint)
    config = read_model_config(folder)
    weights = read_weights(folder, empty_variables(config))
    state = complete_state(torch_from_variables(weights), config)
    write_torch(output, state)
    return len(state)
