"""The step between the cheap rungs and training: experiments on the failing cases of the last rung."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Input, Step
from planner.facts.model import teachers_of
from planner.ladder.endpoints import endpoint
from planner.ladder.pins import data_pin
from planner.ladder.prompting import SEED, answer_limit, grammar
from planner.ladder.retrieving import HYBRID

if TYPE_CHECKING:
    from planner.ladder.draft import Draft
    from planner.survey import ModelSurvey

ADDRESS = "diagnose/prompting"
# Of the step that measured the last rung: whoever answered there answers the experiments.
ANSWERING = ("model", "adapter", "prompt", "database")


def diagnose(draft: Draft) -> None:
    """Why the cheaper rungs failed, case by case."""
    source = draft.steps[_last_answers(draft)]
    teacher = _stronger(draft)
    inputs = {
        "predictions": Input(step=source.address, output="predictions"),
        "data": data_pin(draft, "evaluation"),
        **{name: source.inputs[name] for name in ANSWERING if name in source.inputs},
        **_documents(draft, source),
    }
    if draft.fact("train_rows"):
        inputs["train"] = Input(pin="data/train")
    if teacher is not None and teacher.kind != "endpoint":
        inputs["stronger"] = Input(pin=f"model/{teacher.id}")
    draft.add(
        Step(
            address=ADDRESS,
            title="Find out by experiment why the answers fail, case by case",
            executor="diagnose",
            version="3",
            inputs=inputs,
            params={
                **draft.output_params(),
                "grammar": grammar(draft),
                "kind": draft.spec.task.kind,
                "limit": int(draft.thresholds["diagnosed_cases"]),
                "examples": min(int(draft.thresholds["examples_in_prompt"]), draft.fact("train_rows") or 0),
                # An index knows how many passages a prompt is given; documents alone do not.
                "passages": int(draft.answer("passages")) if "documents" in inputs else None,
                "max_new_tokens": answer_limit(draft),
                "batch_size": int(draft.thresholds["evaluation_batch"]),
                "dtype": draft.answer("base_dtype"),
                "quantization": source.params.get("quantization", "none"),
                "endpoint": source.params.get("endpoint"),
                "stronger_endpoint": endpoint(draft.spec, teacher.id) if teacher is not None else None,
                "seed": SEED,
            },
            outputs=("report",),
            gates=draft.gates(),
            known_after=("behaviour_share", "information_share"),
        ),
        because=("approach",),
    )


def _last_answers(draft: Draft) -> str:
    """The first answers of the last rung that is sure to be there: a hybrid may be skipped, and so may all rows."""
    seen = set(draft.seen())
    looks = [step.address for step in draft.steps.values() if step.address in seen and step.executor == "evaluate"]
    return [address for address in looks if address != draft.first_look(HYBRID) or looks == [address]][-1]


def _documents(draft: Draft, source: Step) -> dict[str, Input]:
    """What can be searched: the index of the last rung, or another step's, or the documents themselves."""
    indexed = next((each for each in reversed(draft.steps.values()) if each.executor == "retrieve"), None)
    if "index" in source.inputs:
        indexed = draft.steps.get(source.inputs["index"].step or "")
    if indexed is not None:
        found = {"index": Input(step=indexed.address, output="index")}
        return found | {name: each for name, each in indexed.inputs.items() if name in ("encoder", "reranker")}
    documents = draft.survey.data.get("documents")
    if documents is None or documents.path is None:
        return {}
    return {"documents": Input(pin="data/documents")}


def _stronger(draft: Draft) -> ModelSurvey | None:
    """The largest teacher of the spec whose files are at hand or a server answers for it."""
    at_hand = (each for each in teachers_of(draft.survey) if each.kind in ("folder", "hub-cache", "endpoint"))
    return next(at_hand, None)
