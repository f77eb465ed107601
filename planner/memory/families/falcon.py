"""Falcon, whose layers change shape with four switches of the config [falcon-2023]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.families.decoder import dense
from planner.memory.families.layout import Layout

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture
    from planner.memory.config_reader import Config


def falcon(config: Config) -> Architecture:
    """Return the architecture of a Falcon decoder.

    Raises:
        EstimateError: when a size is missing, not positive, or heads do not divide.
    """
    new = config.flag("new_decoder_architecture")
    parallel = new or config.flag("parallel_attn", default=True)
    two_norms = new and config.number("num_ln_in_parallel_attn") != 1
    before_attention = "ln_attn" if two_norms else "input_layernorm"
    before_mlp = "ln_mlp" if two_norms else None if parallel else "post_attention_layernorm"
    layout = Layout(
        root="transformer",
        layers="h",
        embed="word_embeddings",
        final_norm="ln_f",
        attention="self_attention",
        qkv="query_key_value",
        o="dense",
        gate="",
        up="dense_h_to_4h",
        down="dense_4h_to_h",
        before_attention=before_attention,
        before_mlp=before_mlp,
        norm="layer",
        norm_bias=True,
        qkv_bias="bias",
        o_bias="bias",
        mlp_bias="bias",
        parallel=parallel,
        position_kind="alibi" if config.flag("alibi") else "rope",
        intermediate_factor=4,
    )
    return dense(config, layout)
