"""From predictions to scores a case and to measured metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.evaluate.intervals import f1, proportion
from executors.evaluate.metrics import SCORES, slot_counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.evaluate.metrics import AnswerForm, Case
    from planner.documents import JsonValue, Measurement

LENIENT = "_lenient"


def wanted_scores(metrics: Sequence[str], form: AnswerForm) -> list[str]:
    """The proportions to compute; validity against the schema comes along with validity."""
    names = [name for name in metrics if name in SCORES]
    if "json_valid" in names and form.schema and "schema_valid" not in names:
        names.append("schema_valid")
    return names


def case_scores(case: Case, metrics: Sequence[str]) -> dict[str, JsonValue]:
    """The scores of one case, as they stand in its row of the predictions."""
    scores: dict[str, JsonValue] = {}
    for name in wanted_scores(metrics, case.form):
        scores[name] = SCORES[name](case, strict=True)
        scores[name + LENIENT] = SCORES[name](case, strict=False)
    return scores


def measure(cases: Sequence[Case], metrics: Sequence[str], seed: int) -> dict[str, Measurement]:
    """Every metric over all cases with its interval, strict and lenient side by side."""
    measured = {}
    for strict, suffix in ((True, ""), (False, LENIENT)):
        for name in wanted_scores(metrics, cases[0].form) if cases else ():
            hits = sum(SCORES[name](case, strict=strict) for case in cases)
            measured[name + suffix] = proportion(hits, len(cases))
        if "slot_f1" in metrics:
            measured["slot_f1" + suffix] = f1([slot_counts(case, strict=strict) for case in cases], seed)
    return measured


def agreement(predictions: Mapping[str, str], reference: Mapping[str, str]) -> Measurement:
    """The share of cases that another step answered with the same text; cases that it lacks count as different."""
    hits = sum(reference.get(row_id) == prediction for row_id, prediction in predictions.items())
    return proportion(hits, len(predictions))


def token_agreement(pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Measurement:
    """The share of tokens that two models choose alike after the same words.

    Each pair of answers (token ids without the end token) counts up to its first difference, and the end counts as a
    token: beyond a difference the words before are no longer the same. Unlike the share of equal answers, it does not
    fall with their length.
    """
    alike = parted = 0
    for one, two in pairs:
        shared = next((at for at, (left, right) in enumerate(zip(one, two, strict=False)) if left != right), None)
        if shared is None and len(one) == len(two):
            alike += len(one) + 1
        else:
            alike += min(len(one), len(two)) if shared is None else shared
            parted += 1
    return proportion(alike, alike + parted)
