"""Which units of a model can change places without a change of what it computes: those of llama's kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RESIDUAL = "residual"
# Tensors outside the layers, and in them behind `model.layers.N.`, to what each of their axes counts; `-` stays.
OUTSIDE = {
    "model.embed_tokens.weight": ("-", RESIDUAL),
    "model.norm.weight": (RESIDUAL,),
    "lm_head.weight": ("-", RESIDUAL),
}
INSIDE = {
    "self_attn.q_proj.weight": ("query", RESIDUAL),
    "self_attn.q_proj.bias": ("query",),
    "self_attn.k_proj.weight": ("key", RESIDUAL),
    "self_attn.k_proj.bias": ("key",),
    "self_attn.v_proj.weight": ("value", RESIDUAL),
    "self_attn.v_proj.bias": ("value",),
    "self_attn.o_proj.weight": (RESIDUAL, "output"),
    "self_attn.o_proj.bias": (RESIDUAL,),
    # One for all heads, over places that rotary positions fix.
    "self_attn.q_norm.weight": ("-",),
    "self_attn.k_norm.weight": ("-",),
    "mlp.gate_proj.weight": ("unit", RESIDUAL),
    "mlp.gate_proj.bias": ("unit",),
    "mlp.up_proj.weight": ("unit", RESIDUAL),
    "mlp.up_proj.bias": ("unit",),
    "mlp.down_proj.weight": (RESIDUAL, "unit"),
    "mlp.down_proj.bias": (RESIDUAL,),
    "input_layernorm.weight": (RESIDUAL,),
    "post_attention_layernorm.weight": (RESIDUAL,),
    "pre_feedforward_layernorm.weight": (RESIDUAL,),
    "post_feedforward_layernorm.weight": (RESIDUAL,),
}
LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")


class Shape(NamedTuple):
    """The numbers that say which places belong together."""

    layers: int
    heads: int
    groups: int
    """Heads of keys and values; each serves heads / groups heads of queries."""
    width: int
    """Numbers of a head."""


def shape_of(folder: Path) -> Shape:
    """The heads of a model by its configuration."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config(decoder=True)
    heads = int(config.num_attention_heads)
    groups = int(getattr(config, "num_key_value_heads", None) or heads)
    width = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    return Shape(int(config.num_hidden_layers), heads, groups, width)


def axes_of(names: Iterable[str], folder: Path) -> dict[str, tuple[str, ...]]:
    """What each axis of each tensor counts: `residual`, one kind of a layer such as `3.unit`, or `-` for what stays.

    Raises:
        InputError: a tensor is not known, so that nobody can say what may change places.
    """
    found = {}
    for name in names:
        inside = LAYER.fullmatch(name)
        axes = INSIDE.get(inside[2]) if inside else OUTSIDE.get(name)
        if axes is None:
            message = f"Units are matched in models of llama's kind, and {name} is not known there."
            raise InputError.one("MERGE023", message, "Merge finetunes of one base.", file=str(folder))
        layer = inside[1] if inside else ""
        found[name] = tuple(axis if axis in ("-", RESIDUAL) else f"{layer}.{axis}" for axis in axes)
    return found
