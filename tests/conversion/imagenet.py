"""Random ImageNet weights in the forms in which they are published."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from tests.conversion.states import SMALL, template_of

BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def _torchvision_modules(width: int, depths: Sequence[int]) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """(torchvision's name, detectron2's name, shape of the weight) of the convolutions of a ResNet; the norms follow them."""
    yield "conv1", "stem.conv1", (width, 3, 7, 7)
    channels = width
    for stage, depth in enumerate(depths):
        inner = width * 2**stage
        for block in range(depth):
            old, new = f"layer{stage + 1}.{block}", f"res{stage + 2}.{block}"
            yield f"{old}.conv1", f"{new}.conv1", (inner, channels, 1, 1)
            yield f"{old}.conv2", f"{new}.conv2", (inner, inner, 3, 3)
            yield f"{old}.conv3", f"{new}.conv3", (4 * inner, inner, 1, 1)
            if block == 0:
                yield f"{old}.downsample.0", f"{new}.shortcut", (4 * inner, channels, 1, 1)
            channels = 4 * inner


def resnet(width: int, depths: Sequence[int]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The same random ResNet as torchvision's state dict and as detectron2's dict, classifiers included."""
    rng = np.random.default_rng(0)
    torchvision, detectron2 = {}, {}
    for old, new, shape in _torchvision_modules(width, depths):
        torchvision[f"{old}.weight"] = detectron2[f"{new}.weight"] = rng.standard_normal(shape, np.float32)
        norm = old.replace("conv", "bn").replace("downsample.0", "downsample.1")
        for tensor in BATCH_NORM:
            values = rng.standard_normal(shape[0], np.float32)
            torchvision[f"{norm}.{tensor}"] = detectron2[f"{new}.norm.{tensor}"] = values
        torchvision[f"{norm}.num_batches_tracked"] = np.array(1000)
    classifier = {"weight": rng.standard_normal((10, 32 * width), np.float32), "bias": np.zeros(10, np.float32)}
    torchvision |= {f"fc.{name}": array for name, array in classifier.items()}
    detectron2 |= {f"stem.fc.{name}": array for name, array in classifier.items()}
    return torchvision, detectron2


def classifier_of(backbone: str) -> dict[str, np.ndarray]:
    """A Swin or ConvNeXt as its authors publish it: no norms of the stages' outputs, but a last norm and a classifier."""
    rng = np.random.default_rng(0)
    prefix, state = "backbone.backbone.", {}
    for name, value in template_of(dataclasses.replace(SMALL, backbone=backbone)).items():
        part = name.removeprefix(prefix)
        if name.startswith(prefix) and not part.startswith("norm"):
            state[part] = value if value.dtype == np.int64 else rng.standard_normal(value.shape, np.float32)
    surplus = {"norm.weight": 8, "norm.bias": 8, "head.weight": (5, 8), "head.bias": 5}
    if backbone.startswith("swin"):
        surplus["layers.0.blocks.1.attn_mask"] = (4, 49, 49)
    return state | {name: rng.standard_normal(shape, np.float32) for name, shape in surplus.items()}
