"""Writes planner/memory/families/defaults.json: what transformers fills in for fields a config.json leaves out.

`python bench/memory_defaults.py` after a new release of transformers; the difference is then reviewed.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

_FIELDS = """num_key_value_heads num_kv_heads hidden_act hidden_activation activation_function activation head_dim
tie_word_embeddings attention_bias mlp_bias use_bias bias sliding_window use_sliding_window max_window_layers
sliding_window_pattern qkv_bias use_qkv_bias parallel_attn new_decoder_architecture multi_query alibi
num_ln_in_parallel_attn use_parallel_residual qk_layernorm use_qk_norm do_layer_norm_before enable_bias
num_local_experts num_experts n_routed_experts n_shared_experts moe_intermediate_size
shared_expert_intermediate_size num_experts_per_tok decoder_sparse_step first_k_dense_replace q_lora_rank
kv_lora_rank qk_rope_head_dim qk_nope_head_dim v_head_dim attn_logit_softcapping final_logit_softcapping
type_vocab_size embedding_size moe_num_experts moe_k moe_num_shared_experts moe_layer_start_index
moe_layer_interval moe_layer_end_index lm_head_bias resid_pdrop attn_pdrop hidden_dropout attention_dropout
dropout residual_dropout hidden_dropout_prob resid_dropout attention_probs_dropout_prob"""


def main() -> None:
    """Read the class defaults of every known model type and write them, sorted."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    logging.disable(logging.CRITICAL)
    from transformers import AutoConfig

    from planner.memory import KNOWN_TYPES

    table = {}
    for kind in KNOWN_TYPES:
        found = {name: getattr(type(AutoConfig.for_model(kind)), name, None) for name in _FIELDS.split()}
        table[kind] = {name: value for name, value in found.items() if isinstance(value, (bool, int, float, str))}
    target = ROOT / "planner" / "memory" / "families" / "defaults.json"
    lines = [f"{json.dumps(kind)}: {json.dumps(values)}" for kind, values in sorted(table.items())]
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(table)} model types written to {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
