"""Tiny models that do not write: encoders of real formats with random weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.executors.tiny import make_tiny_model, tiny_rows

if TYPE_CHECKING:
    from pathlib import Path


def make_tiny_encoder(folder: Path, *, seed: int = 0) -> Path:
    """Write a BERT of 2 layers and hidden size 64, as pretrained on masked words: it has no pooler and no labels."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    make_tiny_model(folder, chat=False)
    for file in folder.glob("*.safetensors"):
        file.unlink()
    vocabulary = len(AutoTokenizer.from_pretrained(folder))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=512,
        pad_token_id=0,
        initializer_range=0.2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        tie_word_embeddings=True,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    return folder


def label_rows(count: int, *, start: int = 0) -> list[dict[str, str]]:
    """The tiny rows with the place as their label, of which there are five."""
    return [
        {**row, "completion": json.loads(row["completion"])["slots"]["place"]} for row in tiny_rows(count, start=start)
    ]
