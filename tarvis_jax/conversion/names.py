"""Names and layouts of the original's state dict against the variables of the flax model, on numpy arrays.

One table of rules works both ways. A rule says which module of the original is which flax module and of what kind the module
is; the kind lists its tensors and how their axes are ordered on each side. In templates, `{i}`, `{j}` and `{k}` stand for
numbers and `{word}` for a part of a name without dots, slashes or underscores; the same fields appear on both sides.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util


class StateNameError(ValueError):
    """A state dict or a set of variables does not fit the name tables; the message lists the names."""


class Layout(NamedTuple):
    """Order of a tensor's axes: `to_flax` and `to_torch` are inverse to each other."""

    to_flax: Callable[[np.ndarray], np.ndarray]
    to_torch: Callable[[np.ndarray], np.ndarray]


AS_IS = Layout(np.asarray, np.asarray)
MATRIX = Layout(np.transpose, np.transpose)  # [out, in] <-> [in, out]
CONV = Layout(lambda w: w.transpose(2, 3, 1, 0), lambda w: w.transpose(3, 2, 0, 1))  # [out, in, h, w] <-> [h, w, in, out]


class Tensor(NamedTuple):
    """One tensor of a module: its name within the original's module, its collection and path in flax, its layout."""

    torch: str
    collection: str
    flax: str
    layout: Layout


LINEAR = (Tensor(".weight", "params", "/kernel", MATRIX), Tensor(".bias", "params", "/bias", AS_IS))
MATRIX_ALONE = LINEAR[:1]
CONVOLUTION = (Tensor(".weight", "params", "/kernel", CONV),)
CONVOLUTION_WITH_BIAS = (*CONVOLUTION, Tensor(".bias", "params", "/bias", AS_IS))
NORM = (Tensor(".weight", "params", "/scale", AS_IS), Tensor(".bias", "params", "/bias", AS_IS))
FROZEN_NORM = tuple(
    Tensor(f".{name}", "buffers", f"/{name}", AS_IS) for name in ("weight", "bias", "running_mean", "running_var")
)
ATTENTION = (  # packed query, key and value projection, then the output projection
    Tensor(".in_proj_weight", "params", "/in_proj_kernel", MATRIX),
    Tensor(".in_proj_bias", "params", "/in_proj_bias", AS_IS),
    Tensor(".out_proj.weight", "params", "/out_proj/kernel", MATRIX),
    Tensor(".out_proj.bias", "params", "/out_proj/bias", AS_IS),
)
PARAMETER = (Tensor("", "params", "", AS_IS),)  # a vector or a table of its own


class Rule(NamedTuple):
    """A module of the original, the flax module that it is, and the tensors that it holds."""

    torch: str
    flax: str
    kind: tuple[Tensor, ...]


RESNET_RULES = (
    Rule("backbone.backbone.stem.conv1", "backbone/stem/conv", CONVOLUTION),
    Rule("backbone.backbone.stem.conv1.norm", "backbone/stem/norm", FROZEN_NORM),
    Rule("backbone.backbone.res{i}.{j}.{word}", "backbone/res{i}_{j}/{word}/conv", CONVOLUTION),
    Rule("backbone.backbone.res{i}.{j}.{word}.norm", "backbone/res{i}_{j}/{word}/norm", FROZEN_NORM),
)

_SWIN_BLOCK = "backbone.backbone.layers.{i}.blocks.{j}"

SWIN_RULES = (
    Rule("backbone.backbone.patch_embed.proj", "backbone/patch_embed", CONVOLUTION_WITH_BIAS),
    Rule("backbone.backbone.patch_embed.norm", "backbone/patch_norm", NORM),
    Rule(_SWIN_BLOCK + ".attn.relative_position_bias_table", "backbone/layers_{i}_{j}/attn/bias_table", PARAMETER),
    Rule(_SWIN_BLOCK + ".attn.{word}", "backbone/layers_{i}_{j}/attn/{word}", LINEAR),
    Rule(_SWIN_BLOCK + ".mlp.fc{k}", "backbone/layers_{i}_{j}/mlp/linear{k}", LINEAR),
    Rule(_SWIN_BLOCK + ".norm{k}", "backbone/layers_{i}_{j}/norm{k}", NORM),
    Rule("backbone.backbone.layers.{i}.downsample.norm", "backbone/downsample_{i}/norm", NORM),
    Rule("backbone.backbone.layers.{i}.downsample.reduction", "backbone/downsample_{i}/reduction", MATRIX_ALONE),
    Rule("backbone.backbone.norm{i}", "backbone/norm{i}", NORM),
)

_CONVNEXT_BLOCK = "backbone.backbone.stages.{i}.{j}"
_SHRINK = "backbone.backbone.downsample_layers"

CONVNEXT_RULES = (
    Rule(_SHRINK + ".0.0", "backbone/downsample_layers_0_conv", CONVOLUTION_WITH_BIAS),
    Rule(_SHRINK + ".0.1", "backbone/downsample_layers_0_norm", NORM),
    *(Rule(f"{_SHRINK}.{stage}.0", f"backbone/downsample_layers_{stage}_norm", NORM) for stage in (1, 2, 3)),
    *(Rule(f"{_SHRINK}.{stage}.1", f"backbone/downsample_layers_{stage}_conv", CONVOLUTION_WITH_BIAS) for stage in (1, 2, 3)),
    Rule(_CONVNEXT_BLOCK + ".gamma", "backbone/stages_{i}_{j}/gamma", PARAMETER),
    Rule(_CONVNEXT_BLOCK + ".dwconv", "backbone/stages_{i}_{j}/dwconv", CONVOLUTION_WITH_BIAS),
    Rule(_CONVNEXT_BLOCK + ".norm", "backbone/stages_{i}_{j}/norm", NORM),
    Rule(_CONVNEXT_BLOCK + ".pwconv{k}", "backbone/stages_{i}_{j}/mlp/linear{k}", LINEAR),
    Rule("backbone.norm_layers.res{i}", "backbone/norm_layers_res{i}", NORM),
)

_DEFORMABLE = "backbone.fpn.transformer.encoder.layers.{i}"
_TEMPORAL = "backbone.fpn.transformer.encoder.temporal_layers.{i}"

NECK_RULES = (
    Rule("backbone.fpn.input_proj.{i}.0", "neck/input_proj_{i}", CONVOLUTION_WITH_BIAS),
    Rule("backbone.fpn.input_proj.{i}.1", "neck/input_norm_{i}", NORM),
    Rule("backbone.fpn.transformer.level_embed", "neck/level_embed", PARAMETER),
    Rule("backbone.fpn.transformer.level_embed_3d", "neck/level_embed_3d", PARAMETER),
    Rule(_DEFORMABLE + ".self_attn.sampling_offsets", "neck/deformable_{i}/self_attn/sampling_offsets", LINEAR),
    Rule(_DEFORMABLE + ".self_attn.attention_weights", "neck/deformable_{i}/self_attn/attention_weights", LINEAR),
    Rule(_DEFORMABLE + ".self_attn.value_proj", "neck/deformable_{i}/self_attn/value_proj", LINEAR),
    Rule(_DEFORMABLE + ".self_attn.output_proj", "neck/deformable_{i}/self_attn/output_proj", LINEAR),
    Rule(_DEFORMABLE + ".linear{j}", "neck/deformable_{i}/ffn/linear{j}", LINEAR),
    Rule(_DEFORMABLE + ".norm{j}", "neck/deformable_{i}/norm{j}", NORM),
    Rule(_TEMPORAL + ".self_attn", "neck/temporal_{i}/self_attn", ATTENTION),
    Rule(_TEMPORAL + ".linear{j}", "neck/temporal_{i}/ffn/linear{j}", LINEAR),
    Rule(_TEMPORAL + ".norm{j}", "neck/temporal_{i}/norm{j}", NORM),
    Rule("backbone.fpn.adapter_1", "neck/adapter_1", CONVOLUTION),
    Rule("backbone.fpn.adapter_1.norm", "neck/adapter_1_norm", NORM),
    Rule("backbone.fpn.layer_1", "neck/layer_1", CONVOLUTION),
    Rule("backbone.fpn.layer_1.norm", "neck/layer_1_norm", NORM),
    Rule("backbone.fpn.mask_features", "neck/mask_features", CONVOLUTION_WITH_BIAS),
)

_GROUPS = ("instance", "background", "semantic", "background_vos", "vos")  # of queries

QUERY_RULES = tuple(Rule(f"embedding_container._{group}_queries", f"queries/{group}_table", PARAMETER) for group in _GROUPS)

OBJECT_ENCODER_RULES = (
    Rule("vos_query_extractor.bg_query_embed", "object_encoder/background_embed", PARAMETER),
    Rule("vos_query_extractor.mask_object_query_embed", "object_encoder/mask_object_embed", PARAMETER),
    Rule("vos_query_extractor.point_object_query_embed", "object_encoder/point_object_embed", PARAMETER),
    Rule("vos_query_extractor.self_attn_layers.{i}.attn", "object_encoder/self_attention_{i}/attention", ATTENTION),
    Rule("vos_query_extractor.self_attn_layers.{i}.norm", "object_encoder/self_attention_{i}/norm", NORM),
    Rule("vos_query_extractor.cross_attn_layers.{i}.attn", "object_encoder/cross_attention_{i}/attention", ATTENTION),
    Rule("vos_query_extractor.cross_attn_layers.{i}.norm", "object_encoder/cross_attention_{i}/norm", NORM),
    Rule("vos_query_extractor.ffn_layers.{i}.mlp.0", "object_encoder/ffn_{i}/mlp/linear1", LINEAR),
    Rule("vos_query_extractor.ffn_layers.{i}.mlp.2", "object_encoder/ffn_{i}/mlp/linear2", LINEAR),
    Rule("vos_query_extractor.ffn_layers.{i}.norm", "object_encoder/ffn_{i}/norm", NORM),
    Rule("vos_query_extractor.proj_point_features.{i}", "object_encoder/point_proj_{i}", LINEAR),
    Rule("vos_query_extractor.point_vos_query_extractor.layers.0", "object_encoder/point_mlp/layers_0", LINEAR),
    Rule("vos_query_extractor.point_vos_query_extractor.layers.2", "object_encoder/point_mlp/layers_1", LINEAR),
    Rule("vos_query_extractor.point_vos_query_extractor.layers.4", "object_encoder/point_mlp/layers_2", LINEAR),
)

_CROSS_ATTENTION = "decoder.transformer_cross_attention_layers.{i}"

DECODER_RULES = (
    Rule(_CROSS_ATTENTION + ".multihead_attn._attn", "decoder/cross_attention_{i}/attention", ATTENTION),
    Rule(_CROSS_ATTENTION + ".norm", "decoder/cross_attention_{i}/norm", NORM),
    Rule("decoder.transformer_self_attention_layers.{i}.self_attn", "decoder/self_attention_{i}/attention", ATTENTION),
    Rule("decoder.transformer_self_attention_layers.{i}.norm", "decoder/self_attention_{i}/norm", NORM),
    Rule("decoder.transformer_ffn_layers.{i}.linear{j}", "decoder/ffn_{i}/mlp/linear{j}", LINEAR),
    Rule("decoder.transformer_ffn_layers.{i}.norm", "decoder/ffn_{i}/norm", NORM),
    Rule("decoder.decoder_norm", "decoder/decoder_norm", NORM),
    Rule("decoder.scale_embed.weight", "decoder/scale_embed", PARAMETER),
    *(
        Rule(f"decoder.mask_embeds.{group}.layers.{{i}}", f"decoder/mask_head_{group}/layers_{{i}}", LINEAR)
        for group in (*_GROUPS, "free")
    ),
    *(Rule(f"decoder.proj_layers.{group}", f"decoder/class_head_{group}", LINEAR) for group in _GROUPS),
)

RULES = RESNET_RULES + SWIN_RULES + CONVNEXT_RULES + NECK_RULES + QUERY_RULES + OBJECT_ENCODER_RULES + DECODER_RULES

# Last parts of the names of entries that follow from the settings: pixel statistics, background grid, Swin's index tables.
CONSTANTS = ("pixel_mean", "pixel_std", "bg_grid_size", "relative_position_index")


def is_constant(name: str) -> bool:
    """Whether an entry of the original's state dict is no weight but follows from the settings."""
    return name.rpartition(".")[2] in CONSTANTS


class _Translation(NamedTuple):
    """A rule for a single tensor: regular expression and template of either side, the latter with its collection in front."""

    torch_pattern: re.Pattern
    torch_template: str
    flax_pattern: re.Pattern
    flax_template: str
    layout: Layout


_FIELDS = {"i": r"\d+", "j": r"\d+", "k": r"\d+", "word": r"[a-z0-9]+"}


def _pattern(template: str) -> re.Pattern:
    """The regular expression of a template, with one named group per field."""
    return re.compile(re.sub(r"\\{(\w+)\\}", lambda m: f"(?P<{m[1]}>{_FIELDS[m[1]]})", re.escape(template)))


def _translation(rule: Rule, tensor: Tensor) -> _Translation:
    torch, flax = rule.torch + tensor.torch, f"{tensor.collection}/{rule.flax}{tensor.flax}"
    return _Translation(_pattern(torch), torch, _pattern(flax), flax, tensor.layout)


_TRANSLATIONS = tuple(_translation(rule, tensor) for rule in RULES for tensor in rule.kind)


def _flax_entry(name: str, array: np.ndarray) -> tuple[str, np.ndarray] | None:
    """Path and array of the flax variable that a tensor of the original is, None for an unknown name."""
    for rule in _TRANSLATIONS:
        if match := rule.torch_pattern.fullmatch(name):
            return rule.flax_template.format(**match.groupdict()), rule.layout.to_flax(array)
    return None


def _torch_entry(path: str, array: np.ndarray) -> tuple[str, np.ndarray] | None:
    """Name and array of the original's tensor that a flax variable is, None for an unknown path."""
    for rule in _TRANSLATIONS:
        if match := rule.flax_pattern.fullmatch(path):
            return rule.torch_template.format(**match.groupdict()), rule.layout.to_torch(array)
    return None


def _translate(arrays: Mapping[str, np.ndarray], entry: Callable, what: str) -> dict[str, np.ndarray]:
    entries = {name: entry(name, np.asarray(array)) for name, array in arrays.items()}
    unknown = [name for name, found in entries.items() if found is None]
    if unknown:
        raise StateNameError(f"{len(unknown)} {what} without a rule: {', '.join(sorted(unknown))}")
    return dict(entries.values())


def variables_from_torch(state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The flax variables of a state dict of the original.

    Args:
        state: arrays by the original's names; constants (see `is_constant`) are left out of the result.

    Returns:
        {"params": nested dict, "buffers": nested dict} of the entries that the state dict holds, as views of its arrays.

    Raises:
        StateNameError: a name fits no rule.
    """
    weights = {name: array for name, array in state.items() if not is_constant(name)}
    flat = _translate(weights, _flax_entry, "tensors of the state dict")
    return {"params": {}, "buffers": {}} | traverse_util.unflatten_dict(flat, sep="/")


def torch_from_variables(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The original's state dict of flax variables, the inverse of `variables_from_torch`; without constants, as views.

    Args:
        variables: {"params": nested dict, "buffers": nested dict} of arrays without partitioning boxes.

    Raises:
        StateNameError: a path fits no rule.
    """
    return _translate(traverse_util.flatten_dict(variables, sep="/"), _torch_entry, "flax variables")
