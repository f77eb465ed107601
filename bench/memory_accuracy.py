"""Accuracy of memory estimates: tables for docs/memory.md from simulated, measured and published peaks.

`python bench/memory_accuracy.py` reads the shared measurements (ADAPT_SHARED or ../shared) and the recorded steps.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from planner.memory import TrainingSetting, estimate_training, read_architecture  # noqa: E402
from tests.planner.memory.cases import peak_of, recorded, setting_of, shared  # noqa: E402


def _llama(hidden: int, width: int, layers: int, heads: int, groups: int, vocab: int, **more: Any) -> dict[str, Any]:
    return {
        "model_type": "llama", "hidden_size": hidden, "intermediate_size": width, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": groups, "vocab_size": vocab, "tie_word_embeddings": False,
        **more,
    }  # fmt: skip


_PHI = {"model_type": "phi", "num_attention_heads": 32, "vocab_size": 51200, "tie_word_embeddings": False}
_GEMMA = {"model_type": "gemma", "vocab_size": 256000, "tie_word_embeddings": True, "head_dim": 256}
MODELS: dict[str, dict[str, Any]] = {
    "llama-3.2-3b": _llama(3072, 8192, 28, 24, 8, 128256, head_dim=128, tie_word_embeddings=True),
    "llama-2-7b": _llama(4096, 11008, 32, 32, 32, 32000),
    "llama-2-13b": _llama(5120, 13824, 40, 40, 40, 32000),
    "llama-3-8b": _llama(4096, 14336, 32, 32, 8, 128256),
    "llama-3.1-8b": _llama(4096, 14336, 32, 32, 8, 128256),
    "mistral-7b": _llama(4096, 14336, 32, 32, 8, 32000),
    "tiny-llama": _llama(2048, 5632, 22, 32, 4, 32000),
    "falcon-7b": {"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71,
                  "vocab_size": 65024, "multi_query": True, "tie_word_embeddings": True},
    "gemma-2b": {**_GEMMA, "hidden_size": 2048, "intermediate_size": 16384, "num_hidden_layers": 18,
                 "num_attention_heads": 8, "num_key_value_heads": 1},
    "gemma-7b": {**_GEMMA, "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28,
                 "num_attention_heads": 16, "num_key_value_heads": 16},
    "gemma-2-9b": {**_GEMMA, "model_type": "gemma2", "hidden_size": 3584, "intermediate_size": 14336,
                   "num_hidden_layers": 42, "num_attention_heads": 16, "num_key_value_heads": 8},
    "phi-2": {**_PHI, "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 32},
    "phi-1.5": {**_PHI, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24},
    "phi-3-mini-4k": {"model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
                      "num_attention_heads": 32, "vocab_size": 32064, "tie_word_embeddings": False},
    "stablelm-base-alpha-3b": {"model_type": "gpt_neox", "hidden_size": 4096, "intermediate_size": 16384,
                               "num_hidden_layers": 16, "num_attention_heads": 32, "vocab_size": 50688,
                               "tie_word_embeddings": False},
}  # fmt: skip
NAMES = {"llama 3.2 3b": "llama-3.2-3b", "llama 2 7b": "llama-2-7b", "llama 2 13b": "llama-2-13b",
         "stablelm alpha 3b": "stablelm-base-alpha-3b"}  # fmt: skip
PARTS = {"query": "qkv", "key": "qkv", "value": "qkv", "projection": "o", "mlp": "mlp", "head": "head"}
ROLES = {"qkv": {"q", "v", "qkv"}, "o": {"o"}, "mlp": {"gate", "up", "down", "gate_up"}, "head": {"head"}}


def group_table(rows: list[dict[str, Any]], key: str) -> None:
    """Print median, 90th percentile and worst error of each value of one field."""
    groups: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        estimate = estimate_training(read_architecture(row["config"]), setting_of(row))
        groups[str(row[key])].append(100 * (estimate.allocated_bytes.expected / peak_of(row) - 1))
    print(f"| {key} | steps | median | 90th percentile | most under | most over |\n|---|---|---|---|---|---|")
    for name, errors in [*sorted(groups.items()), ("all", [e for part in groups.values() for e in part])]:
        absolute = sorted(map(abs, errors))
        tail = absolute[int(0.9 * len(absolute))]
        spread = f"{median(absolute):.2f}% | {tail:.2f}% | {min(errors):+.2f}% | {max(errors):+.2f}%"
        print(f"| {name} | {len(errors)} | {spread} |")


def published_setting(row: dict[str, Any], model: str) -> TrainingSetting | None:
    """The nearest setting of ours to a published run, None where it cannot be said."""
    text, notes = row["method"], str(row["method"])
    fields: dict[str, Any] = {
        "precision": "bf16",
        "optimizer": "adamw-foreach",
        "checkpointing": False,
        "adapter_dtype": "bf16",
    }
    fields |= {"batch": int(row["batch"]), "sequence": int(re.findall(r"\d+", str(row["seq"]))[0])}
    if "peft" in row["source"]:
        fields["adapter_dtype"] = "fp32"
    if "torchtune" in row["source"]:
        fields |= {"checkpointing": True, "loss": "fused"}
    if text.startswith(("full", "Baseline", "+")):
        return TrainingSetting(method="full", **fields) if text.startswith("full") else None
    rank = re.search(r"r=(\d+)|'r': (\d+)", text)
    linears = {linear.role: linear.name for linear, _ in read_architecture(MODELS[model]).matrices()}
    parts = {PARTS[word] for word in re.findall(r"query|key|value|projection|mlp|head", text)} or {"qkv"}
    targets = tuple(sorted({name for part in parts for role, name in linears.items() if role in ROLES[part]}))
    quantized = "nf4" in notes or text.lower().startswith("qlora")
    method = "qlora" if quantized else "dora" if "'use_dora': True" in text else "lora"
    number = int(next(filter(None, rank.groups()))) if rank else 8
    return TrainingSetting(method=method, rank=number, targets=targets, double_quantization="dq" in notes, **fields)


def published_table() -> None:
    """Print our figure beside the published one for every run whose conditions are stated."""
    print("| run | published | ours | ratio |\n|---|---|---|---|")
    for row in shared("published.json"):
        name = row["model"].lower().removeprefix("meta-llama/").removesuffix("-instruct")
        name = re.sub(r"-v0\.2| 1\.3b", "", NAMES.get(name, name))
        if name not in MODELS or row["batch"] is None:
            continue
        setting = published_setting(row, name)
        if setting is None:
            continue
        estimate = estimate_training(read_architecture(MODELS[name]), setting)
        reserved = "reserved" in row["unit"]
        ours = (estimate.reserved_bytes if reserved else estimate.allocated_bytes).expected / 1e9
        theirs = row["gb"] * (1.073741824 if "GiB" in row["unit"] else 1.0)
        what = re.sub(r"[{}'|#]", "", row["method"])[:60].strip()
        run = f"{row['model']}, {what}, {row['batch']} x {setting.sequence}"
        print(f"| {run} | {theirs:.2f} | {ours:.2f} | {ours / theirs:.2f} |")


if __name__ == "__main__":
    given = shared("simulated.json")
    families = recorded("simulated_families.jsonl")
    for rows in (given, families):
        group_table(rows, "model")
        group_table(rows, "method")
    published_table()
