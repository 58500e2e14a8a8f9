"""The model variants that the configs offer."""

from ml_collections import ConfigDict

_BACKBONES = (
    *("resnet50", "resnet101"),
    *("swin_tiny", "swin_small", "swin_base", "swin_large"),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large", "convnext_xlarge"),
)


def model(variant: str) -> ConfigDict:
    """Sizes of one variant: a backbone's name for the published sizes, or `tiny`, a small model for CPUs.

    The paper trains `resnet50`, `swin_tiny` and `swin_large`.
    """
    if variant == "tiny":
        return ConfigDict(
            {
                "backbone": "tiny",
                "width": 64,
                "heads": 4,
                "neck_layers": 2,
                "neck_hidden": 128,
                "decoder_layers": 3,
                "decoder_hidden": 256,
                "object_encoder_layers": 2,
                "instance_queries": 32,
            }
        )
    if variant not in _BACKBONES:
        raise ValueError(f"variant {variant!r} does not exist; known: {', '.join((*_BACKBONES, 'tiny'))}")
    return ConfigDict(
        {
            "backbone": variant,
            "width": 256,
            "heads": 8,
            "neck_layers": 6,
            "neck_hidden": 1024,
            "decoder_layers": 9,
            "decoder_hidden": 2048,
            "object_encoder_layers": 4,
            "instance_queries": 128,
        }
    )


def loss(variant: str) -> ConfigDict:
    """Settings of the pretraining losses: the published ones, and for `tiny`, whose clips are small, fewer points, none chosen.

    Points where the prediction is least certain help a network that knows something; one that starts at random learns faster
    from points anywhere.
    """
    tiny = variant == "tiny"
    large = variant == "swin_large"  # the paper's largest model has semantic losses of its own
    return ConfigDict(
        {
            "points": 1024 if tiny else 12544,
            "semantic_points": 2048 if tiny else 25088,
            "uncertain_fraction": 0.0 if tiny else 0.75,
            "semantic": 0.75 if large else 2.0,
            "ignore_null_classes": large,
        }
    )
