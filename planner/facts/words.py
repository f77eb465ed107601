"""The closed lists of words that documents allow, for facts that repeat one of their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

if TYPE_CHECKING:
    from planner.documents import Document


def words_of(document: type[Document], field: str) -> tuple[str, ...]:
    """The words that a field of a document can be, in their order."""
    return tuple(dict.fromkeys(_words(document.model_fields[field].annotation)))


def _words(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [word for word in get_args(annotation) if isinstance(word, str)]
    return [word for part in get_args(annotation) for word in _words(part)]
