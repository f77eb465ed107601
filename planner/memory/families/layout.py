"""What a family of decoders is described by: names and arrangement of its modules."""

from __future__ import annotations

from dataclasses import dataclass


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
