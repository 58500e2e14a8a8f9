"""AdamW as the original sets it up: step decays, a slower backbone, no decay on norms and tables, a global clip."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import traverse_util

from tarvis_jax.config import OptimizerConfig

_EMBEDS = ("embed", "embed_3d")  # endings of the names of learned vectors that are added like positions

# ConvNeXt's modules. The original's rule for norms does not know their class, so they decay like all else in there.
_CONVNEXT = ("downsample_layers_", "stages_", "norm_layers_")

# Parameters that no task ever reads; they exist because the original's checkpoints hold them, and never change there.
_NEVER_USED = (("decoder", "mask_head_free"), ("decoder", "class_head_vos"), ("decoder", "class_head_background_vos"))


def learning_rate_schedule(config: OptimizerConfig) -> optax.Schedule:
    """Learning rate of the update with 0-based index `count`: linear warm-up from 0, then a factor per decay step."""
    decays = optax.piecewise_constant_schedule(config.learning_rate, dict.fromkeys(config.decay_steps, config.decay_factor))
    if not config.warmup_steps:
        return decays
    # Not optax.linear_schedule, which loses four digits of the first rates in float32.
    return lambda count: decays(count) * jnp.minimum(jnp.asarray(count, jnp.float32) / config.warmup_steps, 1.0)


def is_backbone(path: tuple[str, ...]) -> bool:
    """Whether a parameter learns at the backbone's rate; neither the temporal neck nor ConvNeXt's norms in front of it do."""
    return path[0] == "backbone" and not path[1].startswith("norm_layers_")


def is_decayed(path: tuple[str, ...], norms: set[tuple[str, ...]]) -> bool:
    """Whether weight decay applies: not to norms (given as module paths) outside of ConvNeXt, query tables and embeds."""
    if path[0] == "backbone" and path[1].startswith(_CONVNEXT):
        return True
    return path[:-1] not in norms and path[0] != "queries" and not path[-1].endswith(_EMBEDS)


def is_never_used(path: tuple[str, ...]) -> bool:
    """Whether no task reads the parameter."""
    return any(path[: len(prefix)] == prefix for prefix in _NEVER_USED)


def decay_mask(params: Any) -> Any:
    """Tree of bool like `params`: True where weight decay applies. Norms are the modules that hold a `scale`."""
    flat = traverse_util.flatten_dict(params)
    norms = {path[:-1] for path in flat if path[-1] == "scale"}
    return traverse_util.unflatten_dict({path: is_decayed(path, norms) for path in flat})


def _mask(predicate: Any) -> Any:
    return lambda params: traverse_util.path_aware_map(lambda path, _: predicate(path), params)


def make_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
    """AdamW (0.9, 0.999, 1e-8) behind a clip of the global gradient norm (facts of the original, section 9)."""
    adamw = optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8),
        optax.add_decayed_weights(config.weight_decay, decay_mask),
        optax.masked(optax.scale(config.backbone_factor), _mask(is_backbone)),
        optax.masked(optax.set_to_zero(), _mask(is_never_used)),
        optax.scale_by_learning_rate(learning_rate_schedule(config)),
    )

    def update(gradients: Any, state: Any, params: Any) -> tuple[Any, Any]:
        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer powers
            return adamw.update(gradients, state, params)

    return optax.GradientTransformation(adamw.init, update)
