"""From predictions to scores a case and to measured metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.evaluate.metrics import MEANS, SCORES, SENTENCES, SHARES, slot_counts
from executors.evaluate.text_scores import corpus_score
from executors.intervals import RESAMPLES, f1, macro_f1, mean_score, proportion
from executors.json_answers import label_of
from planner.documents import Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.evaluate.case import AnswerForm, Case
    from planner.documents import JsonValue

LENIENT = "_lenient"


def wanted_scores(metrics: Sequence[str], form: AnswerForm) -> list[str]:
    """The scores to compute a case; validity against the schema comes along with validity."""
    names = [name for name in metrics if name in SCORES]
    if "json_valid" in names and form.schema and "schema_valid" not in names:
        names.append("schema_valid")
    return names


def case_scores(case: Case, metrics: Sequence[str]) -> dict[str, JsonValue]:
    """The scores of one case, as they stand in its row of the predictions."""
    scores: dict[str, JsonValue] = {}
    for name in wanted_scores(metrics, case.form):
        scores[name] = _plain(SCORES[name](case, strict=True))
        scores[name + LENIENT] = _plain(SCORES[name](case, strict=False))
    return scores


def case_counts(case: Case, metrics: Sequence[str]) -> dict[str, JsonValue]:
    """What one case adds to the metrics that are pooled over all: for the comparison of two steps, read strictly."""
    counts: dict[str, JsonValue] = {}
    if "slot_f1" in metrics:
        counts["slot_f1"] = list(slot_counts(case, strict=True))
    if "macro_f1" in metrics:
        counts["macro_f1"] = list(_labels(case, strict=True))
    return counts


def measure(
    cases: Sequence[Case], metrics: Sequence[str], seed: int, *, lenient: bool = True
) -> dict[str, Measurement]:
    """Every metric over all cases with its interval, strict and, unless left out, lenient beside it."""
    measured = {}
    for strict, suffix in ((True, ""), (False, LENIENT))[: 1 + lenient]:
        for name in wanted_scores(metrics, cases[0].form) if cases else ():
            measured[name + suffix] = _pooled(name, cases, strict=strict, seed=seed)
        if "slot_f1" in metrics:
            measured["slot_f1" + suffix] = f1([slot_counts(case, strict=strict) for case in cases], seed)
        if "macro_f1" in metrics:
            measured["macro_f1" + suffix] = macro_f1([_labels(case, strict=strict) for case in cases], seed)
    return measured


def _pooled(name: str, cases: Sequence[Case], *, strict: bool, seed: int) -> Measurement:
    if name in SHARES:
        return proportion(sum(SHARES[name](case, strict=strict) for case in cases), len(cases))
    if name in MEANS:
        return mean_score([MEANS[name](case, strict=strict) for case in cases], seed)
    return _corpus(name, cases, strict=strict)


def _corpus(name: str, cases: Sequence[Case], *, strict: bool) -> Measurement:
    """BLEU or chrF of the whole corpus, 0 to 1."""
    if name not in SENTENCES:
        raise KeyError(name)
    same = str if strict else str.casefold
    most = max(len(case.accepted) for case in cases)
    predictions = [same(case.prediction) for case in cases]
    streams = [[same(case.accepted[at]) if at < len(case.accepted) else "" for case in cases] for at in range(most)]
    score = corpus_score(name, predictions, streams, RESAMPLES if len(cases) > 1 else 1)
    value, half = score.score / 100, (score._ci or 0.0) / 100
    interval = "bootstrap" if len(cases) > 1 else ""
    return Measurement(value=value, low=max(0.0, value - half), high=value + half, n=len(cases), interval=interval)


def _labels(case: Case, *, strict: bool) -> tuple[str, str]:
    """The label that was said, empty for none, and the expected one."""
    from executors.text_match import find_label

    name = case.form.label_name
    if name is not None:
        return label_of(case.value(strict=strict), name) or "", label_of(case.wanted, name) or ""
    said = case.prediction.strip() if strict else find_label(case.prediction, case.form.labels) or ""
    return (said if said in case.form.labels or not case.form.labels else ""), case.expected.strip()


def _plain(score: float) -> JsonValue:
    return score if isinstance(score, bool) else round(float(score), 6)


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
