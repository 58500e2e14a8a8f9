"""The first thing to run: draws panoptic toy images under the workdir and trains the `tiny` model on them, all four tasks.

  python -m tarvis_jax.main --config=configs/demo.py --workdir=out/demo

Before, during and after training it segments drawn videos with shapes and patterns that the images do not show; at the end,
`out/demo/report` holds a table beside two baselines, curves, and pictures. docs/demo.md says what to expect.
`--config.eval.every=0` trains without that.
"""

from ml_collections import ConfigDict

from configs import pretrain


def get_config() -> ConfigDict:
    """Pretraining, made small: toy images, the tiny model, clips of two frames of 128 x 128 pixels."""
    config = pretrain.get_config("tiny")
    config.update(
        {
            "datasets": "coco",  # toy images come in COCO's layout, with COCO's categories
            "task_weights": {"vps": 0.18, "vis": 0.2, "vos": 0.43, "pet": 0.19},
            "batch_size": 4,
            "clip_length": 2,
            "image_size": 128,
            "group_steps": 1,
            "instance_slots": 8,  # an image shows six things at most
            "object_slots": 6,
            "total_steps": 1300,
            "learning_rate": 1e-3,
            "decay_steps": (975, 1200),
            "warmup_steps": 20,
            "checkpoint_every": 250,
            "log_every": 25,
        }
    )
    config.model.neck_layers = 1
    config.loss.update({"points": 512, "semantic_points": 512})
    config.eval.update({"every": 650, "clip_length": 16, "clip_overlap": 8})
    config.toyworld = ConfigDict({"images": 600})
    return config
