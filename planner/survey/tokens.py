"""Token counts of texts: by the model's tokenizer when it is at hand, else by a stated estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from planner.survey.gguf_header import GgufHeader

# English prose has about 4 bytes a token and JSON about 3.2 in vocabularies of 32,000 to 150,000 words.
BYTES_PER_TOKEN = 3.6
ESTIMATE = f"estimated, one token for {BYTES_PER_TOKEN} UTF-8 bytes; no tokenizer at hand"


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts the tokens of texts, without special tokens and chat template; `source` says how."""

    source: str
    exact: bool
    _count: Callable[[Sequence[str]], list[int] | None]
    model: str = ""
    """Id of the model whose tokenizer it is."""
    seen: set[int] = field(default_factory=set)
    """The highest token of each text that was counted, where the tokenizer's own file was read."""

    def counts(self, texts: Sequence[str]) -> tuple[list[int], str]:
        """Tokens of each text, and how they were counted."""
        counted = self._count(texts)
        if counted is None:
            return estimate(texts), ESTIMATE
        return counted, self.source


def estimate(texts: Sequence[str]) -> list[int]:
    """Tokens of each text from its size."""
    return [math.ceil(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN) for text in texts]


ESTIMATED = TokenCounter(ESTIMATE, exact=False, _count=estimate)


def counter_of_file(tokenizer: Path, name: str) -> TokenCounter:
    """The counter of a tokenizer.json; the estimate when the tokenizers library is not there or refuses the file."""
    from importlib.util import find_spec

    if find_spec("tokenizers") is None:
        return TokenCounter(f"{ESTIMATE} (the tokenizers library is not installed)", exact=False, _count=estimate)
    loaded: list[Any] = []
    seen: set[int] = set()

    def count(texts: Sequence[str]) -> list[int] | None:
        if not loaded:
            from tokenizers import Tokenizer

            try:
                loaded.append(Tokenizer.from_file(str(tokenizer)))
            except Exception:  # noqa: BLE001 - the library raises bare Exception for every bad file
                loaded.append(None)
            else:
                loaded[0].no_truncation()
                loaded[0].no_padding()
        if loaded[0] is None:
            return None
        # One by one: a batch starts threads, and the library complains when the process forks after that.
        found = [loaded[0].encode(text, add_special_tokens=False).ids for text in texts]
        seen.update(max(ids) for ids in found if ids)
        return [len(ids) for ids in found]

    return TokenCounter(f"tokenizer of {name}", exact=True, _count=count, model=name, seen=seen)


def counter_of_gguf(header: GgufHeader, name: str) -> TokenCounter:
    """The counter of the vocabulary in a .gguf file; the estimate when its kind is not known."""
    from planner.survey.gguf_tokens import gguf_tokens

    tokens = gguf_tokens(header)
    return ESTIMATED if tokens is None else TokenCounter(f"tokenizer of {name}", exact=True, _count=tokens.counts)
