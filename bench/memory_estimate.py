"""Microseconds per memory estimate: `python bench/memory_estimate.py`, cold (first of a kind) and warm."""

from __future__ import annotations

import statistics
import time

from planner.memory import TrainingSetting, estimate_training, read_architecture

CONFIG = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip
MIXTURE = {
    "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "num_local_experts": 8,
    "num_experts_per_tok": 2, "tie_word_embeddings": False,
}  # fmt: skip


def microseconds(config: dict[str, object], method: str) -> float:
    """Return the median time of one estimate over settings that differ in batch and length."""
    architecture = read_architecture(config)
    settings = [
        TrainingSetting(method=method, batch=batch, sequence=512 * length)
        for batch in range(1, 9)
        for length in range(1, 9)
    ]
    estimate_training(architecture, settings[0])
    times = []
    for setting in settings * 5:
        start = time.perf_counter()
        estimate_training(architecture, setting)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


if __name__ == "__main__":
    for name, config in (("llama-3.1-8B", CONFIG), ("mixtral-8x7B", MIXTURE)):
        for method in ("full", "lora", "qlora"):
            print(f"{name:14} {method:6} {microseconds(config, method):7.1f} us an estimate")
