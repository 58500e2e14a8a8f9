"""Random label maps: blocks that move over the frames, with some pixels void."""

import numpy as np


def label_maps(rng: np.random.Generator, frames: int, labels: np.ndarray, size: tuple[int, int] = (8, 12)) -> np.ndarray:
    """int64 [frames, *size] with values of `labels`: coarse blocks, mostly those of the frame before."""
    blocks = [rng.choice(labels, (size[0] // 2, size[1] // 2))]
    for _ in range(frames - 1):
        new = rng.choice(labels, blocks[0].shape)
        blocks.append(np.where(rng.random(new.shape) < 0.2, new, blocks[-1]))
    return np.stack([np.kron(block, np.ones((2, 2), np.int64)) for block in blocks])


def disturbed(rng: np.random.Generator, maps: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """A copy in which a share of the pixels has other labels."""
    return np.where(rng.random(maps.shape) < share, rng.choice(labels, maps.shape), maps)
