"""Requests that say the same: equal but for case and spaces, or almost the same words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Twin = Literal["exact", "near"]
WORD = re.compile(r"\w+")
# Words that stand together: short enough that one changed word leaves most of a request's, as those of a long text.
TOGETHER = 2


class Pool:
    """Texts that others are held against, found by the word pairs that they share."""

    def __init__(self, alike: float, texts: Iterable[str] = ()) -> None:
        """Start with some texts.

        Args:
            alike: share of their joint word pairs from which two texts are near duplicates (Jaccard), above 0.
            texts: that are in the pool.
        """
        self.alike = alike
        self._exact: set[str] = set()
        self._sizes: list[int] = []
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Put a text into the pool."""
        self._exact.add(_plain(text))
        pairs = _pairs(text)
        for pair in pairs:
            self._places[pair].append(len(self._sizes))
        self._sizes.append(len(pairs))

    def twin(self, text: str) -> Twin | None:
        """Whether a text of the pool says the same; None where none does."""
        if _plain(text) in self._exact:
            return "exact"
        pairs = _pairs(text)
        shared = Counter(place for pair in pairs for place in self._places.get(pair, ()))
        near = any(count / (len(pairs) + self._sizes[place] - count) >= self.alike for place, count in shared.items())
        return "near" if near else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _pairs(text: str) -> set[str]:
    words = WORD.findall(text.casefold())
    return {" ".join(words[at : at + TOGETHER]) for at in range(max(1, len(words) - TOGETHER + 1))}
