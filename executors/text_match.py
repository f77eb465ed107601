"""Whether words stand in a text: whole words, whatever case, spaces and punctuation."""

from __future__ import annotations

import re


def normal(text: str) -> str:
    """The words of a text: one case, single spaces, no punctuation around words."""
    return " ".join(word for word in (part.strip(".,;:!?\"'`()[]*") for part in text.casefold().split()) if word)


def contains(text: str, wanted: str) -> bool:
    """Whether the wanted words stand in the text, in order and as whole words."""
    words = normal(wanted)
    return bool(words) and f" {words} " in f" {normal(text)} "


def find_label(text: str, labels: tuple[str, ...]) -> str | None:
    """The label that stands first in the text as whole words; the longer one where two start at the same place."""
    found = []
    for label in labels:
        match = re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text, re.IGNORECASE)
        if match:
            found.append((match.start(), -len(label), label))
    return min(found)[2] if found else None
