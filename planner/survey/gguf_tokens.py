"""Counts tokens with the byte-level BPE vocabulary inside a .gguf file, without any tokenizer library.

Counting a few hundred rows costs milliseconds, where building the whole tokenizer costs sixty.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.survey.gguf_header import GgufHeader

# How text is cut into words before merging, by `tokenizer.ggml.pre`. Python's `re` has no \p{L} and \p{N};
# the classes here differ from them only in rare numerals such as ½.
_LETTER, _DIGIT = r"[^\W\d_]", r"\d"
_CONTRACTION = r"'(?:[sdmt]|ll|ve|re)"
_GPT2 = rf"{_CONTRACTION}| ?{_LETTER}+| ?{_DIGIT}+| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+"
_SMOLLM = rf"{_CONTRACTION}| ?{_LETTER}+|{_DIGIT}| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+"
_LLAMA3 = (
    rf"(?i:{_CONTRACTION})|(?:[^\r\n\w]|_)?{_LETTER}+|{_DIGIT}{{1,3}}| ?(?:[^\w\s]|_)+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = rf"(?i:{_CONTRACTION})|(?:[^\r\n\w]|_)?{_LETTER}+|{_DIGIT}| ?(?:[^\w\s]|_)+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS: dict[str, str] = {
    "gpt-2": _GPT2,
    "default": _GPT2,
    "smollm": _SMOLLM,
    "starcoder": _SMOLLM,
    "refact": _SMOLLM,
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "qwen2": _QWEN2,
}
MAX_WORDS = 40_000
NO_MERGE = 2**62


class GgufTokens:
    """Counts the tokens of texts; get one from `gguf_tokens`."""

    def __init__(self, header: GgufHeader) -> None:
        self._header = header
        self._words = re.compile(WORDS[header.metadata["tokenizer.ggml.pre"]])
        self._known: dict[str, int] = {}

    @cached_property
    def _ranks(self) -> dict[bytes, int]:
        """Each merge as it is written, its two pieces with a space between, and its rank."""
        merges = self._header.raw_texts("tokenizer.ggml.merges")
        return dict(zip(merges, range(len(merges)), strict=True))

    def counts(self, texts: Sequence[str]) -> list[int] | None:
        """Tokens of each text; None when they hold so many different words that counting would take seconds."""
        cut = [self._words.findall(text) for text in texts]
        new = {word for words in cut for word in words} - self._known.keys()
        if len(new) > MAX_WORDS:
            return None
        ranks, known = self._ranks, self._known
        for word in new:
            known[word] = _merged([_LETTERS[byte] for byte in word.encode("utf-8", "replace")], ranks)
        return [sum(map(known.__getitem__, words)) for words in cut]


def gguf_tokens(header: GgufHeader) -> GgufTokens | None:
    """The counter for a file's vocabulary; None when it is not byte-level BPE or cuts words in a way unknown here."""
    metadata = header.metadata
    known = metadata.get("tokenizer.ggml.model") == "gpt2" and metadata.get("tokenizer.ggml.pre") in WORDS
    return GgufTokens(header) if known and "tokenizer.ggml.merges" in metadata else None


def _merged(pieces: list[bytes], ranks: dict[bytes, int]) -> int:
    """How many pieces are left of a word when the earliest merges are applied first."""
    pairs = [ranks.get(left + b" " + right, NO_MERGE) for left, right in pairwise(pieces)]
    while pairs:
        rank = min(pairs)
        if rank == NO_MERGE:
            break
        at = pairs.index(rank)
        joined = pieces[at] + pieces[at + 1]
        pieces[at : at + 2] = [joined]
        del pairs[at]
        if at < len(pairs):
            pairs[at] = ranks.get(joined + b" " + pieces[at + 1], NO_MERGE)
        if at:
            pairs[at - 1] = ranks.get(pieces[at - 1] + b" " + joined, NO_MERGE)
    return len(pieces)


def _byte_letters() -> list[str]:
    """GPT-2's visible letter for each byte: printable Latin-1 as it is, the rest from code point 256 on."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    letters, extra = [], 256
    for byte in range(256):
        if byte in printable:
            letters.append(chr(byte))
        else:
            letters.append(chr(extra))
            extra += 1
    return letters


_LETTERS = [letter.encode() for letter in _byte_letters()]
