"""Steps of the retrieval rungs: an index over the documents, and answers with passages in the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Gate, Input, JsonValue, Step
from planner.ladder.asking import searched
from planner.ladder.prompting import SEED, add_prompt, answering, how_answered
from planner.ladder.screening import follow, measure, screen
from planner.memory.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.ladder.draft import Draft

FIRST_SEARCH = "bm25"
HYBRID = "hybrid"
# Questions whose answers are parameters of every index.
DECIDED = ("chunk_tokens", "passages", "recall_loss")
# Counts of passages that are tried, up to the one that was decided.
FEWER_PASSAGES = (1, 3, 5)
# The share of prompts that held the passage: of what a prompt was given, which is less than ten passages or ten.
FOUND = "recall_at_10"


def retrieving(draft: Draft, kind: str | None = None) -> None:
    """An index over the documents, and answers with passages in the prompt.

    Args:
        draft: the plan so far.
        kind: the way of searching; by default the one that was decided.
    """
    decided = str(draft.answer("retrieval"))
    method = kind or (FIRST_SEARCH if decided == "none" else decided)
    gates = draft.gates()
    if kind == HYBRID:
        gates += (_search_misses(draft),)
    index = draft.add(
        Step(
            address=f"retrieve/{method}",
            title=f"Index the documents for {method} search",
            executor="retrieve",
            version="1",
            inputs={"documents": Input(pin="data/documents"), **_questions(draft), **_models(draft, method)},
            params={
                "method": method,
                "chunk_tokens": _lengths(draft),
                "overlap": draft.thresholds["passage_overlap"],
                "passages": _counts(draft),
                "recall_loss": float(draft.answer("recall_loss")),
                "language": None,
                "seed": SEED,
            },
            outputs=("index",),
            gates=gates,
            known_after=("recall_at_1", "recall_at_5", "mrr", "passages_shown"),
        ),
        because=("retrieval", *DECIDED, *(("encoder",) if method != FIRST_SEARCH else ()), "rerank"),
    )
    if _measured_before(draft, method):
        return
    if "prompt/zero-shot" not in draft.steps:
        add_prompt(draft, "zero-shot", examples=0, show_form=True, gates=draft.gates())
    title, because = "Measure the answers with retrieved passages", ("approach", "retrieval")
    evidence = reading(draft, index)
    if draft.answer("query_rewriting") and _questions(draft):
        evidence |= _rewriting(draft, method, {**evidence, **_questions(draft)}, gates)
    inputs = {**answering(draft), "prompt": Input(step="prompt/zero-shot", output="prompt"), **evidence}
    if not draft.answer("prompt_search"):
        measure(draft, method, title, rung=f"rag ({method})", inputs=inputs, because=because)
        return
    if not draft.answer("screening"):
        searched(draft, method, title, evidence, _counts(draft))
        return
    first = screen(draft, method, title, rung=f"rag ({method})", inputs=inputs, because=because)
    follow(draft, lambda: searched(draft, method, title, evidence, _counts(draft), first))


def _rewriting(draft: Draft, method: str, reads: dict[str, Input], gates: tuple[Gate, ...]) -> dict[str, Input]:
    """Queries in the model's words, measured on questions that are no test; the input that tells how to make them."""
    how = how_answered(draft, answering(draft))
    step = draft.add(
        Step(
            address=f"rewrite/{method}",
            title="Measure whether queries in the model's words find more than the requests",
            executor="rewrite",
            version="1",
            inputs={**answering(draft), **reads},
            params={
                "max_new_tokens": int(draft.thresholds["query_tokens"]),
                **{name: how[name] for name in ("batch_size", "dtype", "quantization", "endpoint")},
                "limit": int(draft.thresholds["rewritten_queries"]),
                "seed": SEED,
            },
            outputs=("rewriting",),
            gates=gates,
            known_after=("gain", "use"),
        ),
        because=("query_rewriting",),
    )
    return {"rewriting": Input(step=step, output="rewriting")}


def _measured_before(draft: Draft, method: str) -> bool:
    """Whether an attempt measured this search and told what still fails: then the index is for the reader alone."""
    tried = [
        each for each in draft.spec.attempts if each.approach == "rag" and each.retrieval == method and each.metrics
    ]
    known = draft.fact("behaviour_share") is not None or draft.fact("search_suffices")
    return bool(tried) and draft.answer("approach") == "rag+finetune" and known


def reading(draft: Draft, index: str) -> dict[str, Input]:
    """The inputs of a step whose prompts hold passages of an index."""
    return {"index": Input(step=index, output="index"), **_models(draft, index.partition("/")[2])}


def passage_tokens(draft: Draft, inputs: Mapping[str, Input], *, longest: bool = False) -> Interval:
    """Tokens that the passages of a step's index take in a prompt; nothing without an index.

    Of the fewest passages that may be shown, the middle count of those that are tried, and the most; each of the mean
    length, or of the longest.
    """
    source = inputs.get("index")
    each = draft.fact("longest_passage_tokens" if longest else "passage_tokens")
    if source is None or source.step is None or each is None:
        return Interval(0.0, 0.0, 0.0)
    counts = [int(str(count)) for count in _counts(draft)]
    return Interval(counts[0] * each, counts[(len(counts) - 1) // 2] * each, counts[-1] * each)


def _models(draft: Draft, method: str) -> dict[str, Input]:
    """The models that a search needs: one for its vectors, and one for its order where that was decided."""
    found = {} if method == FIRST_SEARCH else {"encoder": Input(pin="model/encoder")}
    if draft.answer("rerank") and draft.fact("reranker_named"):
        found["reranker"] = Input(pin="model/reranker")
    return found


def _questions(draft: Draft) -> dict[str, Input]:
    """Questions to choose by: of the validation data, else of the training data, which are no test either."""
    data = draft.survey.data
    role = next((role for role in ("validation", "train") if role in data and data[role].source == "file"), None)
    return {"validation": Input(pin=f"data/{role}")} if role else {}


def _lengths(draft: Draft) -> list[JsonValue]:
    """The length that was decided, and half of it where questions can tell which one finds better."""
    decided = int(draft.answer("chunk_tokens"))
    return [decided, decided // 2] if _questions(draft) else [decided]


def _counts(draft: Draft) -> list[JsonValue]:
    """The count that was decided, and smaller ones where questions can tell whether they find as much."""
    decided = int(draft.answer("passages"))
    return [*(count for count in FEWER_PASSAGES if count < decided), decided] if _questions(draft) else [decided]


def _search_misses(draft: Draft) -> Gate:
    limit = draft.thresholds["recall_is_high"]
    return Gate(
        name="term search misses passages",
        when="before",
        metric=FOUND,
        steps=(draft.first_look(FIRST_SEARCH),),
        test=f"< {limit:g}",
        because="where the passage was in the prompt and the answer still wrong, a better search cannot help",
    )
