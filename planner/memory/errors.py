"""The one error of this package: what was wrong, where, and what would be allowed."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class EstimateError(Exception):
    """A model description or a setting from which no memory figure can be computed.

    Attributes:
        field: the name of the offending field, such as ``num_attention_heads``.
        value: what was found there.
        allowed: what would have been accepted, in words or as a list.
        near: accepted names that resemble the value, nearest first.
    """

    def __init__(self, message: str, *, field: str, value: object, allowed: str = "", near: tuple[str, ...] = ()):
        """Keep the parts and build the sentence from them."""
        self.message = message
        self.field = field
        self.value = value
        self.allowed = allowed
        self.near = near
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        rule = f" Allowed: {allowed}." if allowed else ""
        super().__init__(f"{message}{rule}{hint}")


def near_names(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return at most three of the known names that resemble the word, nearest first."""
    return tuple(difflib.get_close_matches(word, sorted(known), n=3, cutoff=0.6))


def unknown_name(field: str, value: str, known: Iterable[str]) -> EstimateError:
    """Build the error for a word that is not one of the known names."""
    names = sorted(known)
    return EstimateError(
        f"{field} {value!r} is not known.",
        field=field,
        value=value,
        allowed=", ".join(names),
        near=near_names(value, names),
    )
