"""The layouts of dense decoders: one row a model type, read by `decoder.py`."""

from __future__ import annotations

from dataclasses import replace

from planner.memory.families.gpt_layouts import GPT_LAYOUTS
from planner.memory.families.layout import Layout

_FOUR_NORMS = Layout(
    before_mlp="pre_feedforward_layernorm",
    after_attention="post_attention_layernorm",
    after_mlp="post_feedforward_layernorm",
)
_POST_NORMS = Layout(
    before_attention=None,
    before_mlp=None,
    after_attention="post_attention_layernorm",
    after_mlp="post_feedforward_layernorm",
)

LAYOUTS: dict[str, Layout] = {
    "llama": Layout(qkv_bias="attention_bias", o_bias="attention_bias", mlp_bias="mlp_bias"),
    "mistral": Layout(),
    "ministral": Layout(),
    "ministral3": Layout(),
    "qwen2": Layout(qkv_bias=True),
    "qwen3": Layout(qkv_bias="attention_bias", o_bias="attention_bias", qk_norm="head"),
    "gemma": Layout(norm="rms-fp32", qkv_bias="attention_bias", o_bias="attention_bias"),
    "gemma2": replace(_FOUR_NORMS, norm="rms-fp32", qkv_bias="attention_bias", o_bias="attention_bias", pattern="2"),
    "gemma3_text": replace(
        _FOUR_NORMS, norm="rms-fp32", qkv_bias="attention_bias", o_bias="attention_bias", qk_norm="head", pattern="6"
    ),
    "phi": Layout(
        partial_rope=True,
        o="dense",
        qkv_bias=True,
        o_bias=True,
        mlp_bias=True,
        gate="",
        up="fc1",
        down="fc2",
        before_mlp=None,
        norm="layer",
        norm_bias=True,
        parallel=True,
        final_norm="final_layernorm",
        head_bias=True,
        qk_norm="head",
        qk_norms=("q_layernorm", "k_layernorm"),
        qk_norm_if="qk_layernorm",
    ),
    "phi3": Layout(partial_rope=True, qkv="qkv_proj", gate_up="gate_up_proj"),
    "olmo": Layout(norm="layer", norm_weight=False, qkv_bias="attention_bias", o_bias="attention_bias"),
    "olmo2": replace(_POST_NORMS, norm="rms-fp32", qk_norm="width", qkv_bias="attention_bias", o_bias="attention_bias"),
    "olmo3": replace(
        _POST_NORMS, norm="rms-fp32", qk_norm="width", qkv_bias="attention_bias", o_bias="attention_bias", pattern="4"
    ),
    "exaone4": replace(_POST_NORMS, qk_norm="head", pattern="4"),
    "cohere": Layout(
        norm="centred-fp32",
        before_mlp=None,
        parallel=True,
        qkv_bias="attention_bias",
        o_bias="attention_bias",
        qk_norm="heads",
        qk_norm_if="use_qk_norm",
    ),
    "cohere2": Layout(
        norm="centred-fp32",
        before_mlp=None,
        parallel=True,
        qkv_bias="attention_bias",
        o_bias="attention_bias",
        pattern="4",
    ),
    "granite": Layout(qkv_bias="attention_bias", o_bias="attention_bias", mlp_bias="mlp_bias"),
    "smollm3": Layout(qkv_bias="attention_bias", o_bias="attention_bias", mlp_bias="mlp_bias"),
    "starcoder2": Layout(
        qkv_bias="use_bias",
        o_bias="use_bias",
        mlp_bias="use_bias",
        gate="",
        up="c_fc",
        down="c_proj",
        norm="layer",
        norm_bias=True,
    ),
    "stablelm": Layout(
        qk_norm="heads",
        qk_norms=("q_layernorm", "k_layernorm"),
        qk_norm_if="qk_layernorm",
        qk_norm_bias=False,
        partial_rope=True,
        qkv_bias="use_qkv_bias",
        norm="layer",
        norm_bias=True,
        parallel="use_parallel_residual",
    ),
    "glm": Layout(partial_rope=True, qkv_bias="attention_bias", gate_up="gate_up_proj"),
    "glm4": Layout(
        partial_rope=True,
        qkv_bias="attention_bias",
        gate_up="gate_up_proj",
        after_attention="post_self_attn_layernorm",
        after_mlp="post_mlp_layernorm",
    ),
    "nemotron": Layout(
        partial_rope=True,
        qkv_bias="attention_bias",
        o_bias="attention_bias",
        mlp_bias="mlp_bias",
        gate="",
        norm="layer",
        norm_bias=True,
    ),
    "arcee": Layout(qkv_bias="attention_bias", o_bias="attention_bias", mlp_bias="mlp_bias", gate=""),
    "hunyuan_v1_dense": Layout(
        qkv_bias="attention_bias",
        o_bias="attention_bias",
        qk_norm="head",
        qk_norms=("query_layernorm", "key_layernorm"),
    ),
    "ernie4_5": Layout(qkv_bias="use_bias", o_bias="use_bias", mlp_bias="use_bias"),
    "seed_oss": Layout(qkv_bias="attention_bias", o_bias="attention_out_bias", mlp_bias="mlp_bias"),
    "helium": Layout(qkv_bias="attention_bias", mlp_bias="mlp_bias"),
    **GPT_LAYOUTS,
}
