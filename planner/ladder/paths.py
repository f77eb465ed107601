"""Longer ways to a trained model: progression from cheap to strong, and distillation by a teacher."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from planner.documents import Input, JsonValue, Step, fingerprint
from planner.facts.model import teachers_of
from planner.ladder.endpoints import endpoint
from planner.ladder.launching import Training, output_of, train
from planner.ladder.pins import data_pin
from planner.ladder.prompting import SEED, evaluate, how_answered
from planner.ladder.siblings import Candidate, candidates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Gate
    from planner.ladder.draft import Draft


# Of a request that a teacher makes up: a screen of text.
REQUEST_TOKENS = 256


class Before(NamedTuple):
    """What a path changes of the training that follows it."""

    rows: Input | None = None
    """Rows that a teacher wrote, to train on instead of the spec's."""
    model: Input | None = None
    """The model to train instead of the base."""
    teacher: Mapping[str, Input] = MappingProxyType({})
    """The teacher, as the training reads it, where its distributions can be learned beside its rows."""


class Ladder(NamedTuple):
    """The models of a path, from the cheapest to the best; the same model may stand in two places."""

    cheapest: Candidate
    middling: Candidate
    best: Candidate


def models_of(draft: Draft) -> Ladder:
    """The smallest, the middle and the largest of the models that may stand in for the base."""
    known = candidates(draft)
    return Ladder(known[0], known[len(known) // 2], known[-1])


def before_training(draft: Draft, inputs: dict[str, Input], gates: tuple[Gate, ...]) -> Before:
    """Draw what a path puts before the training of the base.

    Args:
        draft: the plan so far.
        inputs: of the training of the base.
        gates: of the training of the base; what is before it waits for the same.
    """
    path = draft.answer("path")
    if path == "progression":
        _progression(draft, inputs, gates)
    return _distillation(draft, inputs, gates) if path == "distillation" else Before()


def _progression(draft: Draft, inputs: dict[str, Input], gates: tuple[Gate, ...]) -> None:
    """The cheapest model tests the code, the middling one the data; each is measured, for the price of performance."""
    ladder = models_of(draft)
    rows = draft.fact("training_rows") or 1
    whole = float(draft.answer("epochs"))
    stage = _stage(draft)
    share = draft.thresholds["data_check_share"]
    once = round(min(1.0, draft.thresholds["check_rows"] / rows), 4)
    plans = (
        ("code-check", ladder.cheapest, once, f"Test the code: {ladder.cheapest.id} on a few rows"),
        ("data-check-part", ladder.middling, share, f"Test the data: {ladder.middling.id} on a part of them"),
        ("data-check", ladder.middling, whole, f"Test the data: {ladder.middling.id} on all of them"),
    )
    for name, model, epochs, title in plans:
        own = {**inputs, "model": _model(draft, model), "train": _rows(draft)}
        changes: dict[str, JsonValue] = {"epochs": epochs}
        address = train(draft, Training(name, stage, own, gates, changes, title))
        if name == "data-check":
            _measure(draft, name, own, address, f"Measure {model.id}: a point of price against performance")


def _measure(draft: Draft, name: str, own: dict[str, Input], address: str, title: str) -> None:
    output = output_of(str(draft.answer("method")))
    inputs = {key: source for key, source in own.items() if key != "train"}
    inputs[output] = Input(step=address, output=output)
    evaluate(draft, name, title, rung=None, inputs=inputs, because=("path",))


def _distillation(draft: Draft, inputs: dict[str, Input], gates: tuple[Gate, ...]) -> Before:
    """A strong model, trained on the small set where that is possible, writes the rows that the base learns from."""
    teacher = _teacher(draft)
    where = endpoint(draft.spec, teacher.id)
    source = {"prompt": inputs["prompt"]} | ({} if where else {"model": _model(draft, teacher)})
    if draft.fact("train_rows"):
        source["examples"] = Input(pin="data/train")
    if not teacher.named and draft.fact("train_rows"):
        own = {**inputs, "model": source["model"], "train": Input(pin="data/train")}
        trained = train(draft, Training("teacher", "sft", own, gates, {}, f"Train the teacher {teacher.id}"))
        output = output_of(str(draft.answer("method")))
        source[output] = Input(step=trained, output=output)
    source |= _evaluation(draft)
    address = draft.add(
        Step(
            address="distill/rows",
            title=f"Let {teacher.id} write rows to learn from",
            executor="distill",
            version="1",
            inputs=source,
            params=_writing(draft, source, teacher, where),
            outputs=("rows",),
            gates=gates,
            known_after=("rows written", "rows kept"),
        ),
        because=("path", "rows_written"),
    )
    cheapest = models_of(draft).cheapest
    student = None if teacher.named else _model(draft, cheapest)
    learner = str(draft.answer("base_model")) if teacher.named else cheapest.id
    taught = {f"teacher_{name}".removesuffix("_model"): source[name] for name in ("model", "adapter") if name in source}
    # DeepSpeed trains one model alone, so that the rows are all that is learned.
    alone = draft.answer("distribution") in ("zero-2", "zero-3", "offload")
    known = taught if where is None and not alone and _speaks_alike(draft, teacher.id, learner) else {}
    return Before(Input(step=address, output="rows"), student, known)


def _speaks_alike(draft: Draft, teacher: str, student: str) -> bool:
    """Whether two models at hand have one vocabulary, and the teacher leaves half of the memory to the student."""
    models = [draft.survey.models.get(name) for name in (teacher, student)]
    files = [model.tokenizer for model in models if model is not None and model.kind in ("folder", "hub-cache")]
    hardware = draft.survey.hardware
    room = hardware.device.memory_bytes or hardware.host_memory_bytes or 0
    if len(files) < len(models) or None in files or 2 * ((models[0] and models[0].bytes) or room) > room:
        return False
    return len({fingerprint(file)[0] for file in files if file is not None}) == 1


def _evaluation(draft: Draft) -> dict[str, Input]:
    """The data that are measured on, so that none of their requests is written."""
    pin = data_pin(draft, "evaluation")
    known = draft.survey.data.get(str(pin.pin).removeprefix("data/"))
    return {"test": pin} if known is not None else {}


def _writing(
    draft: Draft, source: dict[str, Input], teacher: Candidate, where: dict[str, JsonValue] | None
) -> dict[str, JsonValue]:
    """How rows are written: as answers of a rung, and checked before they are learned from."""
    answered = how_answered(draft, source)
    names = ("max_new_tokens", "batch_size", "dtype", "quantization", "decoding", "grammar")
    return {
        "rows": int(draft.answer("rows_written")),
        "task": draft.spec.task.description,
        # A teacher that was trained knows the form.
        "examples": int(draft.thresholds["examples_in_prompt"]) if teacher.named else 0,
        "keep_given_rows": True,
        "drop_duplicates": True,
        "near_duplicate": draft.thresholds["near_duplicate_share"],
        "drop_overlap_with_test": "test" in source,
        "most_tries": draft.thresholds["distilled_tries"],
        "request_tokens": REQUEST_TOKENS,
        **draft.output_params(),
        **{name: answered[name] for name in names},
        "endpoint": where,
        "temperature": 1.0,
        "seed": SEED,
    }


def _teacher(draft: Draft) -> Candidate:
    """The teacher that the spec names, else the best model at hand."""
    named = teachers_of(draft.survey)
    return Candidate(named[0].id, None, named=True) if named else models_of(draft).best


def _stage(draft: Draft) -> str:
    """What the middling models are trained to do: as the base, on pairs where there are any."""
    objective = str(draft.answer("objective"))
    return "sft" if objective == "continued-pretraining+sft" else objective


def _rows(draft: Draft) -> Input:
    roles = {"preference": "preferences", "continued-pretraining": "documents"}
    return Input(pin=f"data/{roles.get(_stage(draft), 'train')}")


def _model(draft: Draft, model: Candidate) -> Input:
    """A model that is not the base, as a step reads it: its files, or the output of the step that fetches it."""
    base = str(draft.answer("base_model"))
    known = draft.survey.models.get(model.id)
    pin = Input(pin="model/base") if model.id == base else Input(pin=f"model/{model.id}")
    if known is not None and known.kind in ("folder", "hub-cache"):
        return pin
    name = "base" if model.id == base else re.sub(r"[^a-z0-9.]+", "-", model.id.rpartition("/")[2].lower()).strip("-.")
    address = f"prepare/{name}"
    if address not in draft.steps:
        draft.add(
            Step(
                address=address,
                title=f"Fetch {model.id}",
                executor="prepare",
                version="2",
                inputs={"source": pin},
                params={"dtype": draft.answer("base_dtype")},
                outputs=("model",),
                known_after=("digest of the converted weights",),
            ),
            because=("path", "base_dtype"),
        )
    return Input(step=address, output="model")
