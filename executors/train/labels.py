"""The labels of a head: which there are, and that every row has one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.heads import text_of
from executors.train.preflight import finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.data import Row
    from planner.documents import Finding


def labels_for(said: list[str] | str, rows: Sequence[Row]) -> tuple[str, ...]:
    """The labels in the order of the scores: as said, or those of the training rows sorted."""
    if isinstance(said, list):
        return tuple(said)
    return tuple(sorted({(row.completion or "").strip() for row in rows} - {""}))


def check_labels(rows: Sequence[Row], labels: Sequence[str], file: str) -> list[Finding]:
    """Every row has a request and one of the labels, and there are two labels to choose between."""
    if len(labels) < 2:  # noqa: PLR2004 - one label is no choice
        message = f"There is only one label ({', '.join(labels) or 'none at all'}): nothing is to be told apart."
        return [finding("DATA110", message, "Add rows of other labels.", file)]
    empty = [row.id for row in rows if not text_of(row).strip()]
    strange = [row for row in rows if (row.completion or "").strip() not in labels]
    found = []
    if empty:
        message = f"{len(empty)} rows have no request, the first is {empty[0]}."
        found.append(finding("DATA111", message, "Take them out.", file))
    if strange:
        said = f"the label {strange[0].completion!r}" if strange[0].completion else "none"
        message = f"{len(strange)} rows have no label of the set, the first is {strange[0].id} with {said}."
        found.append(finding("DATA112", message, "Correct the rows, or the labels of the task.", file))
    return found
