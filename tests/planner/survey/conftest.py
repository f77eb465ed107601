"""Folders, specs and small model files that the survey's tests share."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import InputError, Spec, validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASE: dict[str, Any] = {"task": {"description": "Answer"}, "models": [{"id": "gpt2"}], "hardware": "a10g"}


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))


def spec_of(**fields: Any) -> Spec:
    return validate(Spec, {**BASE, **fields}, code="SPEC")


def pair(number: int, prompt: str = "", completion: str = "") -> dict[str, Any]:
    return {
        "id": f"r{number}",
        "prompt": prompt or f"prompt {number}",
        "completion": completion or f"answer {number}",
    }


def write_rows(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path.name


def problems_of(action: Callable[[], object]) -> list[str]:
    """The findings of an action that must refuse its input, as `CODE place: message`."""
    with pytest.raises(InputError) as caught:
        action()
    assert caught.value.exit_code == 2
    return [f"{finding.code} {finding}" for finding in caught.value.findings]


def write_safetensors(path: Path, tensors: dict[str, tuple[str, list[int]]], *, cut: int = 0) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = 2 if dtype in {"BF16", "F16"} else 4
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    content = struct.pack("<Q", len(text)) + text + bytes(at)
    path.write_bytes(content[: len(content) - cut])


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
        case list():
            return struct.pack("<IIQ", 9, 5, len(value)) + struct.pack(f"<{len(value)}i", *value)
    raise TypeError(value)


def gguf_bytes(metadata: dict[str, Any], tensors: dict[str, list[int]], *, version: int = 3) -> bytes:
    """A .gguf file whose tensors are zeros in F32; shapes with the fastest dimension first."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    head += b"".join(_text(key) + _value(value) for key, value in metadata.items())
    offset = 0
    for name, shape in tensors.items():
        head += _text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", 0, offset)
        size = 4
        for length in shape:
            size *= length
        offset += -(-size // 32) * 32
    return head + bytes(-len(head) % 32) + bytes(offset)


LLAMA: dict[str, Any] = {
    "general.architecture": "llama",
    "general.license": "apache-2.0",
    "llama.block_count": 2,
    "llama.context_length": 512,
    "llama.embedding_length": 16,
    "llama.feed_forward_length": 32,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.rope.freq_base": 10000.0,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": ["a", "b", "ab", "\u0120", "\u0120a"],
    "tokenizer.ggml.merges": ["a b", "\u0120 a"],
    "tokenizer.chat_template": "{{ messages }}",
}
LLAMA_TENSORS: dict[str, list[int]] = {"token_embd.weight": [16, 40], "output_norm.weight": [16]}
for _block in range(2):
    LLAMA_TENSORS |= {
        f"blk.{_block}.{name}.weight": shape
        for name, shape in {
            "attn_norm": [16],
            "attn_q": [16, 16],
            "attn_k": [16, 8],
            "attn_v": [16, 8],
            "attn_output": [16, 16],
            "ffn_norm": [16],
            "ffn_gate": [16, 32],
            "ffn_up": [16, 32],
            "ffn_down": [32, 16],
        }.items()
    }


@pytest.fixture
def llama_gguf(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf_bytes(LLAMA, LLAMA_TENSORS))
    return path
