"""What the original's state dict holds for a model: its names and their order, shapes, constants."""

import numpy as np

from tarvis_jax.checkpoints import empty_variables
from tarvis_jax.config import ModelConfig
from tarvis_jax.conversion.names import torch_from_variables
from tarvis_jax.models.backbones import BACKBONES
from tarvis_jax.models.swin import relative_position_index

# A module of the original lists its own tensors, then its parts in the order in which they were made. This is one order of all
# names of tensors and parts that agrees with the order within each module. Numbers are sorted as numbers.
_ORDER = """
    pixel_mean pixel_std
    weight bias running_mean running_var in_proj_weight in_proj_bias gamma
    relative_position_bias_table relative_position_index level_embed level_embed_3d
    _semantic_queries _background_queries _background_vos_queries _instance_queries _vos_queries
    mask_object_query_embed bg_query_embed point_object_query_embed bg_grid_size

    backbone norm_layers fpn embedding_container decoder vos_query_extractor

    stem res2 res3 res4 res5 shortcut conv1 conv2 conv3
    patch_embed layers blocks downsample reduction
    downsample_layers stages dwconv

    input_proj transformer mask_features adapter_1 layer_1
    encoder temporal_layers sampling_offsets attention_weights value_proj output_proj

    transformer_self_attention_layers transformer_cross_attention_layers transformer_ffn_layers
    decoder_norm scale_embed mask_embeds proj_layers background semantic background_vos vos instance free

    cross_attn_layers self_attn_layers ffn_layers proj_point_features point_vos_query_extractor

    self_attn multihead_attn _attn out_proj
    norm0 norm1 attn qkv proj linear1 linear2 norm2 mlp fc1 fc2 norm3 norm pwconv1 pwconv2
"""
_RANKS = {part: rank for rank, part in enumerate(_ORDER.split())}


def state_template(config: ModelConfig) -> dict[str, np.ndarray]:
    """What the original's state dict of a model should hold: zeros that take no memory for weights, constants, its order."""
    return complete_state(torch_from_variables(empty_variables(config)), config)


def complete_state(weights: dict[str, np.ndarray], config: ModelConfig) -> dict[str, np.ndarray]:
    """The weights of a model, by the original's names, with the constants and in the original's order."""
    entries = weights | _constants(weights, config)
    return {name: entries[name] for name in sorted(entries, key=_place)}


def _place(name: str) -> list[tuple[int, int]]:
    """Sorts names as the original's modules list them."""
    return [(-1, int(part)) if part.isdigit() else (_RANKS[part], 0) for part in name.split(".")]


def _constants(weights: dict[str, np.ndarray], config: ModelConfig) -> dict[str, np.ndarray]:
    """The entries that follow from the settings and from the sides of a Swin's windows."""
    pixels = BACKBONES[config.backbone].pixels
    constants = {
        "pixel_mean": np.array(pixels.mean, np.float32),
        "pixel_std": np.array(pixels.std, np.float32),
        "vos_query_extractor.bg_grid_size": np.array([config.background_grid] * 2, np.int64),
    }
    for name, table in weights.items():
        if name.endswith(".relative_position_bias_table"):
            window = (round(len(table) ** 0.5) + 1) // 2
            constants[name.replace("_bias_table", "_index")] = relative_position_index(window)
    return constants
