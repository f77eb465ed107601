"""Multi-head latent attention: queries and key-values go through narrow latents [deepseek-v2-2024]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.architecture import Attention, Linear, Norm

if TYPE_CHECKING:
    from planner.memory.config_reader import Config


def latent_attention(config: Config, hidden: int) -> tuple[Attention, tuple[Linear, ...], tuple[Norm, ...]]:
    """Return the attention of a layer, its projections and its inner norms.

    Raises:
        EstimateError: when one of the latent sizes is missing.
    """
    heads = config.size("heads")
    latent, rope = config.size("kv_lora_rank"), config.size("qk_rope_head_dim")
    nope = config.size("qk_nope_head_dim")
    value = config.number("v_head_dim") or hidden // heads
    query_latent = config.number("q_lora_rank") or 0
    bias = config.flag("attention_bias")
    base = "self_attn"
    query = heads * (nope + rope)
    linears = [Linear(f"{base}.q_proj", hidden, query, role="q")]
    norms: list[Norm] = []
    if query_latent:
        linears = [
            Linear(f"{base}.q_a_proj", hidden, query_latent, bias, "q_a"),
            Linear(f"{base}.q_b_proj", query_latent, query, role="q_b"),
        ]
        norms = [Norm(f"{base}.q_a_layernorm", query_latent)]
    linears += [
        Linear(f"{base}.kv_a_proj_with_mqa", hidden, latent + rope, bias, "kv_a"),
        Linear(f"{base}.kv_b_proj", latent, heads * (nope + value), role="kv_b"),
        Linear(f"{base}.o_proj", heads * value, hidden, bias, "o"),
    ]
    norms.append(Norm(f"{base}.kv_a_layernorm", latent))
    attention = Attention(
        heads=heads,
        kv_heads=heads,
        head_dim=nope + rope,
        value_dim=value,
        latent=latent,
        rope_dim=rope,
        query_latent=query_latent,
        qk_norm="latent",
    )
    return attention, tuple(linears), tuple(norms)
