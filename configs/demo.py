"""The first thing to run: draws panoptic toy images under the workdir and trains the `tiny` model on them, all four tasks.

python -m tarvis_jax.main --config=configs/demo.py --workdir=out/demo
"""

from ml_collections import ConfigDict

from configs import pretrain


def get_config() -> ConfigDict:
    """Pretraining, made small: toy images, the tiny model, clips of 128 x 128 pixels."""
    config = pretrain.get_config("tiny")
    config.update(
        {
            "datasets": "coco",  # toy images come in COCO's layout, with COCO's categories
            "batch_size": 4,
            "image_size": 128,
            "group_steps": 1,
            "total_steps": 200,
            "learning_rate": 1e-3,
            "decay_steps": (150, 185),
            "checkpoint_every": 100,
            "log_every": 10,
        }
    )
    config.toyworld = ConfigDict({"images": 200})
    return config
