"""The config.json that a .gguf header amounts to, in the names that Hugging Face models use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.survey.gguf_header import GgufHeader

# GGUF architecture to model_type and class; an architecture that is not here has no config.
MODEL_TYPES: dict[str, tuple[str, str]] = {
    "llama": ("llama", "LlamaForCausalLM"),
    "mistral": ("mistral", "MistralForCausalLM"),
    "qwen2": ("qwen2", "Qwen2ForCausalLM"),
    "qwen3": ("qwen3", "Qwen3ForCausalLM"),
    "gemma": ("gemma", "GemmaForCausalLM"),
    "gemma2": ("gemma2", "Gemma2ForCausalLM"),
    "gemma3": ("gemma3_text", "Gemma3ForCausalLM"),
    "phi2": ("phi", "PhiForCausalLM"),
    "phi3": ("phi3", "Phi3ForCausalLM"),
    "gpt2": ("gpt2", "GPT2LMHeadModel"),
    "stablelm": ("stablelm", "StableLmForCausalLM"),
    "starcoder2": ("starcoder2", "Starcoder2ForCausalLM"),
    "olmo2": ("olmo2", "Olmo2ForCausalLM"),
    "granite": ("granite", "GraniteForCausalLM"),
    "smollm3": ("smollm3", "SmolLM3ForCausalLM"),
}
_NAMES = {
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.sliding_window": "sliding_window",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.layer_norm_epsilon": "layer_norm_eps",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
    "rope.freq_base": "rope_theta",
}
_GPT2_NAMES = {
    "num_hidden_layers": "n_layer",
    "max_position_embeddings": "n_positions",
    "hidden_size": "n_embd",
    "intermediate_size": "n_inner",
    "num_attention_heads": "n_head",
    "layer_norm_eps": "layer_norm_epsilon",
}
# The fp32 of the header is nearer to the decimal that a config.json holds than to its own digits.
_SIGNIFICANT_DIGITS = 6


def config_of(header: GgufHeader) -> dict[str, Any] | None:
    """The architecture as a config.json would say it, or None for a family that is not mapped."""
    metadata = header.metadata
    family = metadata.get("general.architecture")
    if not isinstance(family, str) or family not in MODEL_TYPES:
        return None
    model_type, architecture = MODEL_TYPES[family]
    config: dict[str, Any] = {"model_type": model_type, "architectures": [architecture]}
    config |= {name: _plain(metadata.get(f"{family}.{key}")) for key, name in _NAMES.items()}
    config = {name: value for name, value in config.items() if value is not None}
    config["tie_word_embeddings"] = "output.weight" not in header.tensors
    vocabulary = _vocabulary(header, family)
    if vocabulary is not None:
        config["vocab_size"] = vocabulary
    for token in ("bos", "eos"):
        number = metadata.get(f"tokenizer.ggml.{token}_token_id")
        if isinstance(number, int):
            config[f"{token}_token_id"] = number
    if model_type == "gpt2":
        return {_GPT2_NAMES.get(name, name): value for name, value in config.items()}
    config |= _scaling(header, family)
    # qwen2 has these biases always and its config has no word for them.
    if model_type in {"llama", "qwen3", "granite", "olmo2", "smollm3"} and "blk.0.attn_q.bias" in header.tensors:
        config["attention_bias"] = True
    return config


def _scaling(header: GgufHeader, family: str) -> dict[str, Any]:
    """How positions are scaled: as the metadata say, or by a tensor of divisors as in releases since Llama 3.1."""
    if "rope_freqs.weight" in header.tensors:
        return {"rope_scaling": {"rope_type": "llama3"}} if family == "llama" else {}
    kind, factor = (header.metadata.get(f"{family}.rope.scaling.{name}") for name in ("type", "factor"))
    # A factor without a kind is linear in llama.cpp.
    if kind == "none" or factor in (None, 1.0):
        return {}
    return {"rope_scaling": {"rope_type": kind or "linear", "factor": _plain(factor)}}


def _plain(value: Any) -> Any:
    """A value as a config.json writes it; None for a list whose items differ, such as heads that vary by layer."""
    if isinstance(value, list):
        value = value[0] if value and len(set(value)) == 1 else None
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value


def _vocabulary(header: GgufHeader, family: str) -> int | None:
    """Rows of the embedding table, which may be padded beyond the tokenizer's words."""
    table = header.tensors.get("token_embd.weight")
    if table is not None and len(table.shape) == 2:  # noqa: PLR2004 - a matrix
        return table.shape[1]
    value = header.metadata.get(f"{family}.vocab_size")
    return value if isinstance(value, int) else None
