"""Whether words stand in a text: whole words, whatever case, spaces and punctuation."""

from __future__ import annotations

import re

# Choices that are words of English as well.
_WORDS = frozenset("AI")


def normal(text: str) -> str:
    """The words of a text: one case, single spaces, no punctuation around words."""
    return " ".join(word for word in (part.strip(".,;:!?\"'`()[]*") for part in text.casefold().split()) if word)


def contains(text: str, wanted: str) -> bool:
    """Whether the wanted words stand in the text, in order and as whole words."""
    if _is_letter(wanted):
        return re.search(_pattern(wanted.strip()), text) is not None
    words = normal(wanted)
    return bool(words) and f" {words} " in f" {normal(text)} "


def _is_letter(wanted: str) -> bool:
    """Whether it names a choice, as A to D do: in small letters, or before a word, A is an article."""
    return len(wanted.strip()) == 1 and wanted.strip().isalpha() and wanted.isupper()


def _pattern(wanted: str) -> str:
    word = rf"(?<!\w){re.escape(wanted)}(?!\w)"
    return rf"{word}(?!['\u2019]|\s+[a-z])" if wanted in _WORDS else word


def find_label(text: str, labels: tuple[str, ...]) -> str | None:
    """The label that stands first in the text as whole words; the longer one where two start at the same place."""
    found = []
    for label in labels:
        match = re.search(_pattern(label), text, 0 if _is_letter(label) else re.IGNORECASE)
        if match:
            found.append((match.start(), -len(label), label))
    return min(found)[2] if found else None
