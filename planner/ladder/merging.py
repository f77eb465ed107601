"""Steps of a merge: the merge, further training where it needs that, the measurement, each source when it fails."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from planner.documents import Alternative, Input, JsonValue, Stage, Step
from planner.ladder.merge_numbers import STACKS, numbers_of
from planner.ladder.pins import data_pin
from planner.ladder.prompting import SEED, add_prompt, evaluate, how_answered, unpacked
from planner.ladder.routing import routes, train_router
from planner.ladder.searching import metric
from planner.ladder.training import training
from planner.survey.metrics import MEASURED_METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Gate
    from planner.ladder.draft import Draft

# Methods that subtract the base from each source, or take its other layers.
NEED_BASE = ("task-arithmetic", "ties", "dare-linear", "dare-ties", "della")
MODEL = "merge/models"
# What is decided about every merge.
SETTLED = ("tokenizer", "alignment", "search", "dtype", "result", "rank")
# Of two, each difference is a tie.
MAJORITY = 3
# Metrics that follow from an answer and what was expected.
VOTED = MEASURED_METRICS - {"agreement", "judge", "perplexity", "preference_accuracy"}


def merging(draft: Draft) -> None:
    """Models that exist already become one, which is measured against the target."""
    merge = draft.spec.merge
    if merge is None:
        return
    if draft.answer("merge") == "none":
        _sources(draft, ())
        return
    _merge(draft)
    if draft.answer("merge_training") == "router" and routes(draft):
        train_router(draft, Input(step=MODEL, output="model"))
    elif draft.answer("merge_training") != "none":
        training(draft, Input(step=MODEL, output="model"))
    if any(address.startswith("train/") for address in draft.steps):
        return
    _prompt(draft)
    evaluate(
        draft,
        "merged",
        "Measure the merged model",
        rung="merge",
        inputs={"model": Input(step=MODEL, output="model"), "prompt": _prompt(draft)},
        because=("merge", "merge_prompt"),
    )
    if draft.gates() and draft.fact("has_evaluation_data"):
        _vote(draft, _sources(draft, draft.gates()))


def _prompt(draft: Draft) -> Input:
    """The prompt that the merge and its sources are measured with."""
    short = draft.answer("merge_prompt") == "short"
    name = "short" if short else "zero-shot"
    if f"prompt/{name}" not in draft.steps:
        add_prompt(draft, name, examples=0, show_form=not short)
    return Input(step=f"prompt/{name}", output="prompt")


def _vote(draft: Draft, members: list[str]) -> None:
    """The majority of the models' own answers: what a merge is to come near to, at the price of all of them."""
    asked = dict.fromkeys([*draft.spec.evaluation.metrics, *sorted(draft.spec.evaluation.target)])
    metrics: list[JsonValue] = [name for name in asked if name in VOTED]
    if len(members) < MAJORITY or not metrics:
        return
    reads = {f"member-{number}": Input(step=member, output="predictions") for number, member in enumerate(members)}
    database = {"database": Input(pin="data/database")} if "execution_accuracy" in metrics else {}
    draft.add(
        Step(
            address="evaluate/ensemble",
            title=f"Let the {len(members)} models vote: each answer costs what all of theirs cost",
            executor="ensemble",
            version="1",
            inputs={**reads, **database, "data": data_pin(draft, "evaluation")},
            params={"metrics": metrics, **draft.output_params(), "seed": SEED},
            outputs=("predictions",),
            rung="ensemble",
            gates=draft.gates(),
            known_after=tuple(map(str, metrics)),
        ),
        because=("merge",),
    )


def _sources(draft: Draft, gates: tuple[Gate, ...]) -> list[str]:
    """Every source, measured alone (an adapter on its base): which skill a merge that disappoints has lost."""
    prompt = _prompt(draft)
    measured = []
    if any(source.kind == "adapter" for source in draft.survey.merge_sources):
        told = "Measure the base alone: what each adapter adds, or a subtraction takes away, is against this"
        inputs = {"model": _base(draft), "prompt": prompt}
        evaluate(draft, "base", told, rung=None, inputs=inputs, because=("merge", "merge_prompt"), gates=gates)
    for number, source in enumerate(draft.survey.merge_sources):
        itself = Input(pin=f"model/source-{number}")
        apart = {"model": _base(draft), "adapter": itself} if source.kind == "adapter" else {"model": itself}
        address = evaluate(
            draft,
            f"source-{number}",
            f"Measure {source.id} alone",
            rung=None,
            inputs={**apart, "prompt": prompt},
            because=("merge", "merge_prompt"),
            gates=gates,
        )
        measured.append(address)
    return measured


def _merge(draft: Draft) -> None:
    method = str(draft.answer("merge"))
    sources = draft.survey.merge_sources
    inputs = {f"source-{number}": Input(pin=f"model/source-{number}") for number in range(len(sources))}
    adapters = [source.kind == "adapter" for source in sources]
    # Of copies of one model, all else is its own too.
    if method in NEED_BASE or any(adapters) or (method == "moe" and len(sources) > 1):
        inputs["base"] = _base(draft)
    if draft.answer("merge_search") != "none":
        inputs["validation"] = Input(pin="data/validation")
        inputs["prompt"] = _prompt(draft)
    draft.add(
        Step(
            address=MODEL,
            title=_title(method, len(sources)),
            executor="merge-models",
            version="2",
            inputs=inputs,
            params={
                "method": method,
                "adapters": list(adapters),
                "dtype": draft.answer("merge_dtype"),
                "tokenizer": draft.answer("merge_tokenizer"),
                "alignment": draft.answer("merge_alignment"),
                "rescale_above": float(draft.answer("merge_rescale")) or None,
                "search": draft.answer("merge_search"),
                "result": (result := _result(draft, adapters)),
                "rank": (draft.answer("merge_rank") or None) if result == "adapter" else None,
                **(numbers := numbers_of(draft, method)),
                **_search(draft, inputs, numbers),
                "seed": SEED,
            },
            outputs=("model", "adapter") if result == "adapter" else ("model",),
        ),
        because=_reasons(method),
    )


def _base(draft: Draft) -> Input:
    """The model under the adapters and the task vectors, unpacked where it is a GGUF file."""
    model = draft.survey.merge_sources[0].base_model or draft.survey.models[draft.answer("base_model")]
    return Input(pin="model/merge-base") if model.kind != "gguf" else unpacked(draft, Input(pin="model/merge-base"))


def _result(draft: Draft, adapters: list[bool]) -> str:
    """What is left: an adapter needs sources that are known to be adapters."""
    return str(draft.answer("merge_result")) if all(adapters) else "model"


def _search(draft: Draft, inputs: dict[str, Input], numbers: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """How candidates are measured, and which there are; nothing without a search."""
    search = draft.answer("merge_search")
    if search == "none":
        return {}
    choosing: dict[str, JsonValue] = {
        "metrics": [metric(draft)],
        **draft.output_params(),
        **how_answered(draft, {"model": inputs["source-0"]}),
        "judge": None,
        "passages": None,
        "limit": int(draft.thresholds["merge_search_rows"]),
        "seed": SEED,
    }
    if search == "greedy-soup":
        return {"choosing": choosing}
    points, reach = int(draft.thresholds["grid_points"]), draft.thresholds["grid_reach"]
    # What was decided comes first: of equal scores the first one wins.
    factors = sorted((1 + reach * (2 * at / (points - 1) - 1) for at in range(points)), key=lambda each: each != 1)
    candidates: list[JsonValue] = [*_varied(numbers, factors)]
    return {"choosing": choosing, "candidates": candidates}


def _varied(numbers: dict[str, JsonValue], factors: list[float]) -> list[dict[str, JsonValue]]:
    """The number of a method that a grid varies, times each factor: its scale, its place, or a mean's last share."""
    name = "scale" if "scale" in numbers else "t"
    if name in numbers:
        most = 1.0 if name == "t" else math.inf
        tried = dict.fromkeys(round(min(most, float(str(numbers[name])) * factor), 6) for factor in factors)
        return [{name: value} for value in tried]
    weights = [float(str(each)) for each in numbers["weights"]] if isinstance(numbers["weights"], list) else []
    *others, last = (each / (sum(weights) or 1.0) for each in weights)
    rest = sum(others) or 1.0
    shares = [last * factor for factor in factors]
    found: list[dict[str, JsonValue]] = [
        {"weights": [*(round(each * (1 - share) / rest, 6) for each in others), round(share, 6)]} for share in shares
    ]
    return [{"weights": [*weights]}, *found[1:]]


def searched(params: Mapping[str, JsonValue]) -> int:
    """Merges that a search makes and measures at most; 0 without one."""
    candidates, sources = params.get("candidates"), params.get("adapters")
    if isinstance(candidates, list):
        return len(candidates)
    # A soup measures each source alone, then each but the first beside those that were kept.
    return 2 * len(sources) - 1 if params.get("choosing") and isinstance(sources, list) else 0


def _title(method: str, sources: int) -> str:
    if method == "depth-upscaling":
        return "Stack two copies of the model into a deeper one"
    return f"Merge {sources} model{'s' if sources > 1 else ''} by {method}"


def _reasons(method: str) -> tuple[str, ...]:
    shared = ("approach", "merge", *(f"merge_{part}" for part in SETTLED))
    if method in STACKS:
        return (*shared, "merge_layers", "merge_training")
    if method == "moe":
        return (*shared, "merge_router", "merge_training")
    return (*shared, "merge_rescale", "merge_weights", "merge_scale", "merge_density", "merge_t")


def ensemble(draft: Draft) -> tuple[Alternative, ...]:
    """Instead of a merge: every model stays, answers every request, and the majority counts."""
    sources = draft.survey.merge_sources
    if draft.answer("approach") != "merge" or len(sources) <= 1:
        return ()
    stages = tuple(
        Stage(title=f"Answer every request with {source.id}", model=source.id, learns="one vote") for source in sources
    )
    because = (
        f"no skill may be lost and {len(sources)} times the memory and the time of one model are affordable: "
        "every model answers and the majority counts"
    )
    return (Alternative(name="ensemble", because=because, stages=stages, cite=("book:model-merging",)),)
