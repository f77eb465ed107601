"""The precision of the key-value cache that a plan decided, in the words of each server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from executors.export.finished import Finished

# What each server calls the formats that it has; with none, its cache stays in 16 bits [vllm-docs].
VLLM = {
    "fp8": ("--kv-cache-dtype", "fp8"),
    "int8": ("--kv-cache-dtype", "int8_per_token_head"),
    "int4": ("--kv-cache-dtype", "int4_per_token_head"),
}
OLLAMA = {
    "int8": "OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE=q8_0",
    "int4": "OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE=q4_0",
}


def cache_of(found: Iterable[Finished]) -> str:
    """What the plans decided: the first format that is not 16 bits."""
    decisions = [one.sources.plan.decision("kv_cache") for one in found]
    formats = [str(each.answer) for each in decisions if each is not None and each.answer != "16-bit"]
    return formats[0] if formats else "16-bit"


def for_vllm(found: Iterable[Finished]) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Words of the command, and what it cannot say."""
    wanted = cache_of(found)
    return VLLM.get(wanted, ()), _unsaid(wanted, VLLM, "vLLM")


def for_ollama(found: Iterable[Finished]) -> tuple[str, tuple[Finding, ...]]:
    """What the server's environment must hold, and what it cannot say."""
    wanted = cache_of(found)
    return OLLAMA.get(wanted, ""), _unsaid(wanted, OLLAMA, "Ollama")


def for_lorax(found: Iterable[Finished]) -> tuple[Finding, ...]:
    """That it has no words for it."""
    return _unsaid(cache_of(found), (), "LoRAX")


def _unsaid(wanted: str, known: Iterable[str], server: str) -> tuple[Finding, ...]:
    if wanted == "16-bit" or wanted in known:
        return ()
    message = (
        f"The plan keeps the key-value cache in {wanted}, which {server} is not started with: it stays in 16 bits."
    )
    fix = f"Count on twice the cache's memory, or plan with `overrides.kv_cache: {next(iter(known), '16-bit')}`."
    return (Finding(code="EXPORT026", severity="warning", message=message, fix=fix),)
