"""Whether a model can learn to stop, and whether its template opens the turn that it answers in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What tells an answer's text from what a template puts before it.
PROBE = "the answer"


def ends_answers(folder: Path, config: Mapping[str, Any]) -> bool | None:
    """Whether tokenizer or configuration name a token that ends an answer; None without a tokenizer's settings."""
    settings = _object(folder / "tokenizer_config.json")
    if settings is None:
        return None
    generation = _object(folder / "generation_config.json") or {}
    special = _object(folder / "special_tokens_map.json") or {}
    named = (settings.get("eos_token"), special.get("eos_token"))
    ids = (generation.get("eos_token_id"), config.get("eos_token_id"))
    return any(named) or any(each is not None and each != [] for each in ids)


def opens_answers(folder: Path) -> bool | None:
    """Whether the chat template writes what stands before an answer when it is asked to; None where nobody can say.

    One that puts nothing before an answer has nothing to open.
    """
    template = _template(folder)
    if template is None or "add_generation_prompt" in template:
        return None if template is None else True
    try:
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        read = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(template)
        turns = [{"role": "user", "content": "a question"}]
        given = {"add_generation_prompt": True, "bos_token": "", "eos_token": ""}
        asked = read.render(messages=turns, **given)
        whole = read.render(messages=[*turns, {"role": "assistant", "content": PROBE}], **given)
    except Exception:  # noqa: BLE001 - a template may raise anything; training renders it with the tokenizer's own names
        return None
    return not whole.startswith(asked) or not whole[len(asked) :].partition(PROBE)[0].strip()


def _template(folder: Path) -> str | None:
    try:
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    except (OSError, ValueError):
        found = (_object(folder / "tokenizer_config.json") or {}).get("chat_template")
        return found if isinstance(found, str) else None


def _object(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
