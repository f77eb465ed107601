"""A tiny language model with its own tokenizer, made in seconds: real files of the real formats, random weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
PLACES = ("kitchen", "hall", "garden", "office", "cellar")
THINGS = ("lamp", "heater", "fan", "radio")


def tiny_rows(count: int, *, start: int = 0) -> list[dict[str, str]]:
    """Requests to a home and the compact JSON that each should become; all different up to 40."""
    rows = []
    for number in range(start, start + count):
        place, thing = PLACES[number % 5], THINGS[number // 5 % 4]
        intent = ("on", "off")[number // 20 % 2]
        answer = {"intent": intent, "slots": {"place": place, "thing": thing}}
        rows.append(
            {
                "id": f"tiny-{number}",
                "prompt": f"turn {intent} the {thing} in the {place}",
                "completion": json.dumps(answer, separators=(",", ":")),
            }
        )
    return rows


TINY_SCHEMA = {
    "type": "object",
    "properties": {
        "intent": {"enum": ["on", "off"]},
        "slots": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["intent", "slots"],
    "additionalProperties": False,
}


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write rows as JSONL."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def make_tiny_model(folder: Path, *, seed: int = 0, chat: bool = True, window: int = 512, biases: bool = False) -> Path:
    """Write a Llama of 2 layers and hidden size 64 with random weights and a BPE of 400 tokens into `folder`."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [text for row in tiny_rows(40) for text in (row["prompt"], row["completion"])]
    bpe.train_from_iterator([*texts, "system user assistant"], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>" if chat else "<|endoftext|>", pad_token=SPECIAL[0]
    )
    if chat:
        tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=window,
        tie_word_embeddings=True,
        attention_bias=biases,
        mlp_bias=biases,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    model.save_pretrained(folder)
    return folder
