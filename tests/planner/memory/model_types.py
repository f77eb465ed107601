"""Small configurations of every model type whose parameters are counted exactly, as transformers would take them."""

from __future__ import annotations

from typing import Any

_TINY: dict[str, Any] = {
    "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8,
    "num_key_value_heads": 4, "vocab_size": 1000, "max_position_embeddings": 512, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
_PLAIN = {key: value for key, value in _TINY.items() if key != "num_key_value_heads"}
_GPT: dict[str, Any] = {"n_embd": 256, "n_head": 8, "n_layer": 2, "vocab_size": 1000}
_MOE: dict[str, Any] = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
_LOCAL: dict[str, Any] = {"num_local_experts": 4, "num_experts_per_tok": 2}
_ROUTED: dict[str, Any] = {
    "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "moe_intermediate_size": 64,
    "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
}  # fmt: skip
_LATENT: dict[str, Any] = {
    "kv_lora_rank": 32, "qk_rope_head_dim": 16, "qk_nope_head_dim": 32, "v_head_dim": 32, "num_key_value_heads": 8,
}  # fmt: skip
_HEADS: dict[str, Any] = {"head_dim": 32}

CASES: list[tuple[str, dict[str, Any]]] = [
    ("llama", _TINY),
    ("llama", {**_TINY, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "head_dim": 64}),
    ("mistral", _TINY),
    ("ministral", {**_TINY, **_HEADS}),
    ("ministral3", {**_TINY, **_HEADS}),
    ("qwen2", _TINY),
    ("qwen2", {**_TINY, "tie_word_embeddings": True}),
    ("qwen3", {**_TINY, **_HEADS}),
    ("gemma", {**_TINY, "head_dim": 64}),
    ("gemma2", {**_TINY, "head_dim": 64}),
    ("gemma3_text", {**_TINY, "head_dim": 64}),
    ("phi", _TINY),
    ("phi", {**_TINY, "qk_layernorm": True}),
    ("phi3", _TINY),
    ("gpt2", _GPT),
    ("gpt_bigcode", _GPT),
    ("gpt_bigcode", {**_GPT, "multi_query": False}),
    ("gpt_neo", {"hidden_size": 256, "num_layers": 2, "num_heads": 8, "attention_types": [[["global", "local"], 1]],
                 "vocab_size": 1000, "intermediate_size": 600}),
    ("gptj", _GPT),
    ("codegen", _GPT),
    ("gpt_neox", {**_PLAIN, "tie_word_embeddings": True}),
    ("bloom", {"hidden_size": 256, "n_head": 8, "n_layer": 2, "vocab_size": 1000}),
    ("mpt", {"d_model": 256, "n_heads": 8, "n_layers": 2, "vocab_size": 1000}),
    ("opt", {"hidden_size": 256, "ffn_dim": 512, "num_hidden_layers": 2, "num_attention_heads": 8, "vocab_size": 1000,
             "word_embed_proj_dim": 256}),
    ("opt", {"hidden_size": 512, "ffn_dim": 1024, "num_hidden_layers": 2, "num_attention_heads": 8, "vocab_size": 1000,
             "word_embed_proj_dim": 256}),
    ("biogpt", _PLAIN),
    ("olmo", _TINY),
    ("olmo2", _TINY),
    ("olmo3", _TINY),
    ("exaone4", _TINY),
    ("cohere", {**_TINY, "use_qk_norm": True}),
    ("cohere2", _TINY),
    ("granite", _TINY),
    ("smollm3", _TINY),
    ("starcoder2", _TINY),
    ("stablelm", {**_TINY, "use_qkv_bias": True}),
    ("stablelm", {**_TINY, "qk_layernorm": True}),
    ("glm", {**_TINY, **_HEADS}),
    ("glm4", {**_TINY, **_HEADS}),
    ("persimmon", _PLAIN),
    ("nemotron", {**_TINY, **_HEADS}),
    ("arcee", {**_TINY, **_HEADS}),
    ("hunyuan_v1_dense", {**_TINY, **_HEADS}),
    ("ernie4_5", {**_TINY, **_HEADS}),
    ("seed_oss", {**_TINY, **_HEADS}),
    ("helium", {**_TINY, **_HEADS}),
    ("falcon", {"hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 8, "vocab_size": 1000}),
    ("falcon", {"hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 8, "num_kv_heads": 2,
                "new_decoder_architecture": True, "vocab_size": 1000}),
    ("falcon", {"hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 8, "multi_query": False,
                "parallel_attn": False, "alibi": True, "bias": True, "vocab_size": 1000}),
    ("mixtral", {**_TINY, **_LOCAL}),
    ("qwen2_moe", {**_TINY, **_MOE, "shared_expert_intermediate_size": 128, "mlp_only_layers": [0],
                   "decoder_sparse_step": 2}),
    ("qwen3_moe", {**_TINY, **_MOE, **_HEADS}),
    ("olmoe", {**_TINY, **_MOE}),
    ("phimoe", {**_TINY, **_LOCAL}),
    ("granitemoe", {**_TINY, **_LOCAL}),
    ("gpt_oss", {**_TINY, **_LOCAL, **_HEADS}),
    ("deepseek_v2", {**_TINY, **_ROUTED, **_LATENT, "q_lora_rank": None}),
    ("deepseek_v3", {**_TINY, **_ROUTED, **_LATENT, "q_lora_rank": 48}),
    ("glm4_moe", {**_TINY, **_ROUTED, **_HEADS, "use_qk_norm": True}),
    ("dots1", {**_TINY, **_ROUTED, **_HEADS}),
    ("ernie4_5_moe", {**_TINY, "moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 64}),
    ("minicpm3", {**_TINY, **_LATENT, "q_lora_rank": 48}),
    ("bert", _TINY),
    ("roberta", _TINY),
    ("xlm-roberta", _TINY),
    ("camembert", _TINY),
    ("electra", {**_TINY, "embedding_size": 128}),
    ("distilbert", {"dim": 256, "hidden_dim": 512, "n_layers": 2, "n_heads": 8, "vocab_size": 1000}),
]  # fmt: skip
