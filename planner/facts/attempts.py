"""Facts about what was tried before, and what it scored against the target."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from planner.facts.registry import Unknown, fact
from planner.survey.metrics import FORM_METRICS, MEASURED_METRICS, lower_is_better

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planner.documents import Attempt, Spec

# How an attempt tells the form that it was measured in.
ROUNDED = "quantized to "
LADDER = ("book:finetuning-and-rag",)
PROMPTING = ("prompt", "few-shot")
RECALL = ("recall_at_1", "recall_at_5", "recall_at_10")
# How attempts name what no field of theirs names.
CONSTRAINED = re.compile(
    r"constrain|grammar|guided|structured|json.?mode|schema|outlines|xgrammar|logit", re.IGNORECASE
)
RERANKED = re.compile(r"rerank|re-rank|cross.?encoder|rewrit|hyde", re.IGNORECASE)


@fact(cite=LADDER)
def has_target(spec: Spec) -> bool:
    """Whether the spec says what score is good enough."""
    return bool(spec.evaluation.target)


@fact(cite=LADDER)
def has_evaluation_data(spec: Spec) -> bool:
    """Whether there is something to measure on."""
    return spec.evaluation.data is not None or spec.data.test is not None or spec.data.validation is not None


@fact(unit="fraction", cite=LADDER)
def target_gap(spec: Spec) -> float | Unknown:
    """How far the best attempt stays below the target in its worst metric; zero or less when the target is met."""
    target = spec.evaluation.target
    if not target:
        return Unknown("the spec names no target")
    gaps = [
        max(_below(metric, attempt.metrics[metric], goal) for metric, goal in target.items())
        for attempt in spec.attempts
        if target.keys() <= attempt.metrics.keys()
    ]
    return min(gaps) if gaps else Unknown("no attempt measured every metric of the target")


def _below(metric: str, score: float, goal: float) -> float:
    """How far a score stays behind a goal; of a perplexity or an error rate, less is more."""
    return score - goal if lower_is_better(metric) else goal - score


@fact(unit="prompts", cite=LADDER)
def prompts_tried(spec: Spec) -> int | Unknown:
    """Prompts tried by all attempts together."""
    prompting = [attempt for attempt in spec.attempts if attempt.approach in PROMPTING]
    if not prompting:
        return 0
    counts = [attempt.prompts_tried for attempt in prompting if attempt.prompts_tried is not None]
    return sum(counts) if counts else Unknown("the attempts do not say how many prompts were tried")


@fact(cite=LADDER)
def prompting_measured(spec: Spec) -> bool:
    """Whether an attempt at prompting was scored."""
    return any(attempt.metrics for attempt in spec.attempts if attempt.approach in PROMPTING)


@fact(unit="attempts", cite=LADDER)
def unmeasured_attempts(spec: Spec) -> int:
    """Attempts that name no score, which nothing can be learnt from."""
    return sum(not attempt.metrics for attempt in spec.attempts)


@fact(cite=LADDER)
def target_measurable(spec: Spec) -> bool | Unknown:
    """Whether executors that come with adapt measure every metric that the target is set on."""
    if not spec.evaluation.target:
        return Unknown("the spec names no target")
    return spec.evaluation.target.keys() <= MEASURED_METRICS


@fact(cite=LADDER)
def target_measured(spec: Spec) -> bool | Unknown:
    """Whether an attempt was scored by the metrics that the target is set on."""
    if not spec.evaluation.target or not any(attempt.metrics for attempt in spec.attempts):
        return Unknown("there is no target, or nothing was measured")
    return any(spec.evaluation.target.keys() <= attempt.metrics.keys() for attempt in spec.attempts)


def _tried(spec: Spec, *approaches: str) -> list[Attempt]:
    return [attempt for attempt in spec.attempts if attempt.approach in approaches]


@fact(cite=LADDER)
def baselines_tried(spec: Spec) -> bool:
    """Whether baselines that need no language model's answer were tried."""
    return bool(_tried(spec, "baselines"))


@fact(cite=LADDER)
def prompt_tried(spec: Spec) -> bool:
    """Whether prompting without examples was tried."""
    return bool(_tried(spec, "prompt"))


@fact(cite=LADDER)
def few_shot_tried(spec: Spec) -> bool:
    """Whether examples in the prompt were tried."""
    return bool(_tried(spec, "few-shot"))


@fact(cite=LADDER)
def rag_tried(spec: Spec) -> bool:
    """Whether retrieval was tried."""
    return bool(_tried(spec, "rag"))


@fact(cite=LADDER)
def advanced_retrieval_tried(spec: Spec) -> bool:
    """Whether retrieval beyond term search was tried."""
    return any(attempt.retrieval in ("embedding", "hybrid") for attempt in _tried(spec, "rag"))


@fact(cite=LADDER)
def search_suffices(spec: Spec, thresholds: Mapping[str, float]) -> bool:
    """Whether an attempt measured that nearly all prompts held the passage that answers: then the reader fails."""
    found = [each.metrics[name] for each in _tried(spec, "rag") for name in RECALL if name in each.metrics]
    return max(found, default=0.0) >= thresholds["recall_is_high"]


@fact(cite=(*LADDER, "cormack-2009-rrf"))
def hybrid_tried(spec: Spec) -> bool:
    """Whether a hybrid of term search and embeddings was tried."""
    return any(attempt.retrieval == "hybrid" for attempt in _tried(spec, "rag"))


@fact(cite=(*LADDER, "nogueira-2019-reranking"))
def reranking_tried(spec: Spec) -> bool:
    """Whether an attempt at retrieval names reranking or query rewriting as its method."""
    return any(RERANKED.search(attempt.method or "") for attempt in _tried(spec, "rag"))


@fact(cite=(*LADDER, "willard-2023-guided-generation"))
def constrained_tried(spec: Spec) -> bool:
    """Whether an attempt names constrained decoding as its method: a grammar, a schema, a JSON mode."""
    return any(CONSTRAINED.search(attempt.method or "") for attempt in spec.attempts)


@fact(cite=LADDER)
def finetune_tried(spec: Spec) -> bool:
    """Whether finetuning was tried."""
    return bool(_tried(spec, "finetune"))


def _best(attempts: Iterable[Attempt], metric: str) -> float | None:
    """The best score of some attempts, turned round where less is more."""
    scores = [attempt.metrics[metric] for attempt in attempts if metric in attempt.metrics]
    if not scores:
        return None
    return -min(scores) if lower_is_better(metric) else max(scores)


def _gain(spec: Spec, one: tuple[str, ...], other: tuple[str, ...]) -> float | Unknown:
    """Best score of some rungs minus that of others, in the first metric that both measured."""
    for metric in dict.fromkeys((*spec.evaluation.target, *spec.evaluation.metrics)):
        best, without = _best(_tried(spec, *one), metric), _best(_tried(spec, *other), metric)
        if best is not None and without is not None:
            return best - without
    return Unknown(f"no metric was measured both with {' or '.join(one)} and with {' or '.join(other)}")


@fact(unit="fraction", cite=LADDER)
def few_shot_gain(spec: Spec) -> float | Unknown:
    """Best score with examples in the prompt minus best score without, in the first metric that both measured."""
    return _gain(spec, ("few-shot",), ("prompt",))


@fact(unit="fraction", cite=LADDER)
def rag_gain(spec: Spec) -> float | Unknown:
    """Best score with retrieval minus best score of prompts alone, in the first metric that both measured."""
    return _gain(spec, ("rag",), PROMPTING)


@fact(unit="fraction", cite=LADDER)
def finetune_gain(spec: Spec) -> float | Unknown:
    """Best score of a finetune minus best score of prompts alone, in the first metric that both measured."""
    return _gain(spec, ("finetune",), PROMPTING)


@fact(unit="fraction", cite=("book:quantization",))
def quantized_loss(spec: Spec) -> float | Unknown:
    """What fewer bits cost in the task's score when they were last measured (`metric_loss` of an attempt)."""
    found = [attempt.metrics["metric_loss"] for attempt in spec.attempts if "metric_loss" in attempt.metrics]
    return found[-1] if found else Unknown("no attempt measured what fewer bits cost")


@fact(cite=("book:quantization",))
def rounded_finetune(spec: Spec) -> str | Unknown:
    """The form to which a finetune was rounded when it was last measured what that costs, such as `int4`."""
    found = [
        attempt for attempt in spec.attempts if "metric_loss" in attempt.metrics and attempt.approach == "finetune"
    ]
    form = (found[-1].method or "").removeprefix(ROUNDED) if found else ""
    return form or Unknown("no attempt measured a finetune in fewer bits")


@fact(unit="fraction", cite=("wilson-1927",))
def score_noise(evaluation_rows: int | Unknown, spec: Spec, thresholds: Mapping[str, float]) -> float:
    """Half the 95% interval of the best score on the evaluation rows: a smaller difference is chance.

    Without a count of rows, the smallest gain that is worth a rung.
    """
    if isinstance(evaluation_rows, Unknown) or not evaluation_rows:
        return thresholds["smallest_gain"]
    known = [score for attempt in spec.attempts for score in attempt.metrics.values() if 0 <= score <= 1]
    return half_width(max(known, default=0.5), evaluation_rows, thresholds["interval_z"])


def half_width(share: float, rows: int, z: float) -> float:
    """Half the width of the Wilson score interval of a proportion."""
    shrink = 1 + z**2 / rows
    return z / shrink * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))


@fact(cite=(*LADDER, "wilson-1927"))
def few_shot_helped(few_shot_gain: float, score_noise: float) -> bool:
    """Whether examples in the prompt gained more than chance."""
    return few_shot_gain > score_noise


@fact(cite=(*LADDER, "wilson-1927"))
def rag_helped(rag_gain: float, score_noise: float) -> bool:
    """Whether retrieval gained more than chance over prompts alone."""
    return rag_gain > score_noise


@fact(cite=(*LADDER, "wilson-1927"))
def finetune_helped(finetune_gain: float, score_noise: float) -> bool:
    """Whether a finetune gained more than chance over prompts alone."""
    return finetune_gain > score_noise


@fact(cite=("wilson-1927",))
def gap_is_noise(target_gap: float, score_noise: float) -> bool:
    """Whether the target was missed by less than chance explains."""
    return 0 < target_gap <= score_noise


@fact(unit="fraction", cite=LADDER)
def form_score(spec: Spec) -> float | Unknown:
    """Best score for form alone, such as valid JSON, of the attempts with examples in the prompt."""
    scores = [
        attempt.metrics[name] for attempt in _tried(spec, "few-shot") for name in FORM_METRICS & set(attempt.metrics)
    ]
    return max(scores) if scores else Unknown("no attempt with examples measured the form alone")
