"""The precision of the cache that a plan decided is a word of the server's command, or is said to be none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executors.export.cache import for_lorax, for_ollama, for_vllm
from executors.export.finished import Finished
from executors.sources import Sources
from planner.documents import Decision
from tests.executors.plans import make_plan

if TYPE_CHECKING:
    from pathlib import Path


def run(tmp_path: Path, answer: str) -> Finished:
    decision = Decision(question="kv_cache", answer=answer, tier="core", because="a test says so")
    plan = make_plan(decisions=(decision,))
    return Finished(Sources(plan, tmp_path, None, None), None, None, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "vllm", "ollama", "unsaid"),
    [
        ("16-bit", (), "", []),
        ("fp8", ("--kv-cache-dtype", "fp8"), "", ["Ollama", "LoRAX"]),
        (
            "int8", ("--kv-cache-dtype", "int8_per_token_head"),
            "OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE=q8_0", ["LoRAX"],
        ),
        (
            "int4", ("--kv-cache-dtype", "int4_per_token_head"),
            "OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE=q4_0", ["LoRAX"],
        ),
    ],
)  # fmt: skip
def test_each_server_is_told_in_its_own_words(
    tmp_path: Path, answer: str, vllm: tuple[str, ...], ollama: str, unsaid: list[str]
) -> None:
    found = [run(tmp_path, answer)]
    words, one = for_vllm(found)
    start, two = for_ollama(found)
    assert (words, start) == (vllm, ollama)
    told = [finding.message for finding in (*one, *two, *for_lorax(found))]
    assert [next(name for name in ("vLLM", "Ollama", "LoRAX") if name in message) for message in told] == unsaid
    assert all(f"cache in {answer}" in message for message in told)
