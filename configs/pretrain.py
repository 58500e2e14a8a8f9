"""Pretraining on synthetic clips from panoptic images: COCO, ADE20K, Cityscapes and Mapillary, all four tasks.

  python -m tarvis_jax.main --config=configs/pretrain.py --config.data_root=DIR --workdir=out/pretrain

DIR holds one folder per dataset in its official layout (data/README.md). `--config.datasets=coco` trains on COCO alone.
Variants, as in configs/pretrain.py:swin_tiny : resnet50 (default), resnet101, swin_{tiny,small,base,large},
convnext_{tiny,small,base,large,xlarge}, tiny (a small model for CPUs).

Cost of the published run: 500,000 steps of 32 clips of 3 frames on 32 A100 GPUs, 2-3 days (supplement of the paper, section 3).
"""

from ml_collections import ConfigDict

from configs.models import loss, model


def get_config(variant: str = "resnet50") -> ConfigDict:
    """The published pretraining with the model of a variant."""
    return ConfigDict(
        {
            "seed": 42,
            "model": model(variant),
            # data
            "data_root": "",
            "datasets": "coco,ade20k,cityscapes,mapillary",
            "dataset_weights": {"coco": 0.55, "ade20k": 0.2, "cityscapes": 0.05, "mapillary": 0.2},
            "task_weights": {"vps": 0.3, "vis": 0.3, "vos": 0.28, "pet": 0.12},
            "batch_size": 32,
            "clip_length": 3,
            "image_size": 512,
            "group_steps": 8,
            "instance_slots": 32,
            "augment": True,
            "workers": 2,
            # optimisation
            "total_steps": 500_000,
            "accumulate": 1,
            "learning_rate": 1e-4,
            "backbone_factor": 1.0 if variant == "tiny" else 0.1,  # `tiny` has no ImageNet weights to keep
            "decay_steps": (444_500, 481_500),
            "warmup_steps": 0,
            "loss": loss(variant),
            # start, machine, record
            "init_from": "",
            "backbone_from": "",
            "branch_start": 0.0 if variant == "tiny" else 1.0,  # the original's start is 1
            "mesh": {"data": -1, "fsdp": 1},
            "precision": "auto",
            "checkpoint_every": 20_000,
            "keep_checkpoints": 2,
            "log_every": 50,
            "eval": {"every": 0, "videos": 8, "clip_length": 12, "clip_overlap": 6},
        }
    )
