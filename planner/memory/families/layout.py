"""How a family of decoders names and arranges its modules: one row a model type, read by `decoder.py` and `moe.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Module names as in transformers, and where biases, norms and odd shapes are.

    A bias is True, False, or the config's switch that decides; a leading ``!`` negates the switch.
    `before` and `after` are the norms around attention and feed-forward, by name; None where there is none.
    """

    root: str = "model"
    layers: str = "layers"
    embed: str = "embed_tokens"
    final_norm: str | None = "norm"
    head: str = "lm_head"
    attention: str = "self_attn"
    q: str = "q_proj"
    k: str = "k_proj"
    v: str = "v_proj"
    o: str = "o_proj"
    qkv: str = ""
    mlp: str = "mlp"
    gate: str = "gate_proj"
    up: str = "up_proj"
    down: str = "down_proj"
    gate_up: str = ""
    before_attention: str | None = "input_layernorm"
    before_mlp: str | None = "post_attention_layernorm"
    after_attention: str | None = None
    after_mlp: str | None = None
    norm: str = "rms"
    norm_bias: str | bool = False
    norm_weight: str | bool = True
    qkv_bias: str | bool = False
    o_bias: str | bool = False
    mlp_bias: str | bool = False
    head_bias: bool = False
    qk_norm: str = ""
    qk_norms: tuple[str, str] = ("q_norm", "k_norm")
    qk_norm_if: str = ""
    qk_norm_bias: str | bool | None = None
    parallel: str | bool = False
    positions: str = ""
    positions_extra: int = 0
    position_kind: str = "rope"
    intermediate_factor: int = 0
    conv1d: bool = False
    pattern: str = ""
    partial_rope: bool = False
    grouped: bool = True
    native_softmax: bool = False
    fp32_scores: bool = False

    @property
    def gated(self) -> bool:
        """Whether the feed-forward multiplies a gate with an up projection."""
        return bool(self.gate or self.gate_up)


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
_GPT2 = Layout(
    grouped=False,
    native_softmax=True,
    root="transformer",
    layers="h",
    embed="wte",
    final_norm="ln_f",
    attention="attn",
    before_attention="ln_1",
    before_mlp="ln_2",
    norm="layer",
    norm_bias=True,
    gate="",
    intermediate_factor=4,
)
_NEOX_MLP = Layout(gate="", up="dense_h_to_4h", down="dense_4h_to_h", qkv="query_key_value", o="dense")

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
    "gpt2": replace(
        _GPT2,
        qkv="c_attn",
        o="c_proj",
        up="c_fc",
        down="c_proj",
        qkv_bias=True,
        o_bias=True,
        mlp_bias=True,
        positions="wpe",
        position_kind="learned",
        conv1d=True,
    ),
    "gpt_bigcode": replace(
        _GPT2,
        qkv="c_attn",
        o="c_proj",
        up="c_fc",
        down="c_proj",
        qkv_bias=True,
        o_bias=True,
        mlp_bias=True,
        positions="wpe",
        position_kind="learned",
    ),
    "gpt_neo": replace(
        _GPT2,
        native_softmax=False,
        fp32_scores=True,
        attention="attn.attention",
        o="out_proj",
        up="c_fc",
        down="c_proj",
        o_bias=True,
        mlp_bias=True,
        positions="wpe",
        position_kind="learned",
    ),
    "gptj": replace(
        _GPT2,
        native_softmax=False,
        fp32_scores=True,
        before_mlp=None,
        o="out_proj",
        up="fc_in",
        down="fc_out",
        mlp_bias=True,
        parallel=True,
        head_bias=True,
    ),
    "codegen": replace(
        _GPT2,
        native_softmax=False,
        fp32_scores=True,
        before_mlp=None,
        qkv="qkv_proj",
        o="out_proj",
        up="fc_in",
        down="fc_out",
        mlp_bias=True,
        parallel=True,
        head_bias=True,
    ),
    "gpt_neox": replace(
        _NEOX_MLP,
        grouped=False,
        partial_rope=True,
        root="gpt_neox",
        embed="embed_in",
        final_norm="final_layer_norm",
        attention="attention",
        qkv_bias="attention_bias",
        o_bias="attention_bias",
        mlp_bias=True,
        norm="layer",
        norm_bias=True,
        parallel="use_parallel_residual",
    ),
    "bloom": replace(
        _NEOX_MLP,
        grouped=False,
        root="transformer",
        layers="h",
        embed="word_embeddings",
        final_norm="ln_f",
        attention="self_attention",
        qkv_bias=True,
        o_bias=True,
        mlp_bias=True,
        norm="layer",
        norm_bias=True,
        position_kind="alibi",
        intermediate_factor=4,
    ),
    "mpt": Layout(
        grouped=False,
        root="transformer",
        layers="blocks",
        embed="wte",
        final_norm="norm_f",
        attention="attn",
        qkv="Wqkv",
        o="out_proj",
        mlp="ffn",
        gate="",
        before_attention="norm_1",
        before_mlp="norm_2",
        norm="layer",
        position_kind="alibi",
        intermediate_factor=4,
    ),
    "opt": Layout(
        grouped=False,
        root="model.decoder",
        final_norm="final_layer_norm",
        o="out_proj",
        mlp="",
        gate="",
        up="fc1",
        down="fc2",
        qkv_bias="enable_bias",
        o_bias="enable_bias",
        mlp_bias="enable_bias",
        norm="layer",
        norm_bias=True,
        before_attention="self_attn_layer_norm",
        before_mlp="final_layer_norm",
        positions="embed_positions",
        positions_extra=2,
        position_kind="learned",
    ),
    "biogpt": Layout(
        grouped=False,
        root="biogpt",
        final_norm="layer_norm",
        o="out_proj",
        mlp="",
        gate="",
        up="fc1",
        down="fc2",
        qkv_bias=True,
        o_bias=True,
        mlp_bias=True,
        norm="layer",
        norm_bias=True,
        before_attention="self_attn_layer_norm",
        before_mlp="final_layer_norm",
        positions="embed_positions",
        positions_extra=2,
        position_kind="learned",
    ),
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
    "persimmon": replace(
        _NEOX_MLP,
        grouped=False,
        partial_rope=True,
        qkv_bias=True,
        o_bias=True,
        mlp_bias=True,
        norm="layer",
        norm_bias=True,
        final_norm="final_layernorm",
        qk_norm="head",
        qk_norms=("q_layernorm", "k_layernorm"),
        qk_norm_if="qk_layernorm",
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
}
