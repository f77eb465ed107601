"""Scores of parts of the cases: by label, by a field of the rows, by the length of the request."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from executors.evaluate.metrics import MEANS, SCORES, SHARES, slot_counts
from executors.evaluate.scoring import measure
from executors.json_answers import label_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.data import Row
    from executors.evaluate.case import Case
    from planner.documents import JsonValue

LEAST_CASES = 5
MOST_SLICES = 12
MOST_METRICS = 4
# Beyond this many values a field tells rows apart and not kinds of rows.
MOST_VALUES = 50
LENGTHS = ("short", "middling", "long")


def slices(rows: Sequence[Row], cases: Sequence[Case], metrics: Sequence[str], seed: int) -> list[JsonValue]:
    """The slices that lie farthest from the whole by the first metric, each with its metrics and intervals.

    Returns:
        At most 12, of at least 5 cases each, as `name`, `value`, `n` and `metrics` (strict scores).
    """
    asked = [name for name in metrics if name in SHARES or name in MEANS or name == "slot_f1"][:MOST_METRICS]
    if not asked or not cases:
        return []
    scores = [_score(case, asked[0]) for case in cases]
    whole = sum(scores) / len(scores)
    found = [
        (abs(sum(scores[at] for at in members) / len(members) - whole) * len(members) ** 0.5, name, value, members)
        for (name, value), members in _groups(rows, cases).items()
        if LEAST_CASES <= len(members) < len(rows)
    ]
    kept = sorted(found, key=lambda item: (-item[0], item[1], item[2]))[:MOST_SLICES]
    table: list[JsonValue] = []
    for _, name, value, members in kept:
        measured = measure([cases[at] for at in members], asked, seed, lenient=False)
        figures: dict[str, JsonValue] = {
            metric: {"value": round(one.value, 6), "low": one.low, "high": one.high}
            for metric, one in measured.items()
            if metric in asked
        }
        table.append({"name": name, "value": value, "n": len(members), "metrics": figures})
    return table


def _score(case: Case, metric: str) -> float:
    if metric in SCORES:
        return float(SCORES[metric](case, strict=True))
    right, predicted, expected = slot_counts(case, strict=True)
    return 2 * right / (predicted + expected) if predicted + expected else 1.0


def _groups(rows: Sequence[Row], cases: Sequence[Case]) -> dict[tuple[str, str], list[int]]:
    """Name and value of a slice to the places of its cases."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, (row, case) in enumerate(zip(rows, cases, strict=True)):
        for name, value in row.slices:
            groups[name, value].append(at)
        label = _label(case)
        if label is not None:
            groups["label", label].append(at)
    values: dict[str, int] = defaultdict(int)
    for name, _ in groups:
        values[name] += 1
    kept = {key: members for key, members in groups.items() if values[key[0]] <= MOST_VALUES}
    # Equal lengths stay in one third.
    lengths = sorted(len(row.prompt) for row in rows)
    first, second = lengths[len(rows) // 3], lengths[2 * len(rows) // 3]
    for at, row in enumerate(rows):
        third = 0 if len(row.prompt) < first else 1 if len(row.prompt) < second else 2
        kept.setdefault(("length", LENGTHS[third]), []).append(at)
    return kept


def _label(case: Case) -> str | None:
    if case.form.label_name is not None:
        return label_of(case.wanted, case.form.label_name)
    return case.expected.strip() if case.form.format == "label" or case.form.labels else None
