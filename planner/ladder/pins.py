"""The files and models that a plan reads, pinned by content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Input, Pin

if TYPE_CHECKING:
    from planner.ladder.draft import Draft


def data_pin(draft: Draft, role: str) -> Input:
    """The input that is a data set of the spec."""
    if role == "evaluation" and "evaluation" not in draft.survey.data:
        role = "validation" if "validation" in draft.survey.data and "test" not in draft.survey.data else "test"
    return Input(pin=f"data/{role}")


def pins(draft: Draft) -> tuple[dict[str, Pin], tuple[str, ...]]:
    """Every pin that the steps name, and the ones that the spec only describes."""
    wanted = sorted({source.pin for step in draft.steps.values() for source in step.inputs.values() if source.pin})
    found: dict[str, Pin] = {}
    missing = []
    for name in wanted:
        kind, _, key = name.partition("/")
        pin = _model(draft, key) if kind == "model" else _data(draft, key)
        if pin is None:
            missing.append(
                f"data.{key} as a file" if kind == "data" else f"the files of the model {_model_id(draft, key)}"
            )
        else:
            found[name] = pin
    return found, tuple(missing)


def _data(draft: Draft, role: str) -> Pin | None:
    kept, _, number = role.partition("-")
    if kept == "other" and number:
        path = draft.spec.task.other_tasks[int(number)].data
        return Pin(kind="dataset", path=path) if path else None
    data = draft.survey.data.get(role)
    if data is None or data.path is None:
        return None
    kind = {"documents": "documents", "database": "file"}.get(role, "dataset")
    return Pin(kind=kind, path=data.path, digest=data.digest, bytes=data.bytes)  # type: ignore[arg-type]


def _encoder(draft: Draft) -> Pin:
    """The embedding model that was surveyed; another one that the user pins is found when the plan runs."""
    chosen, known = str(draft.answer("encoder")), draft.survey.encoder
    if known is None or known.pin != chosen:
        return Pin(kind="model", path=chosen)
    return Pin(
        kind="model",
        path=known.pin,
        digest=known.digest,
        bytes=known.bytes,
        id=known.id,
        license=known.licence,
        revision=known.revision,
    )


def _model_id(draft: Draft, key: str) -> str:
    if key == "base":
        return str(draft.answer("base_model"))
    sources = draft.survey.merge_sources
    if key == "merge-base":
        return next((source.base for source in sources if source.base), str(draft.answer("base_model")))
    return sources[int(key.removeprefix("source-"))].id if sources and key.startswith("source-") else key


def _model(draft: Draft, key: str) -> Pin | None:
    if key == "encoder":
        return _encoder(draft)
    if key.startswith("source-"):
        source = draft.survey.merge_sources[int(key.removeprefix("source-"))]
        if source.kind == "adapter":
            return Pin(kind="model", path=source.pin, id=source.id, license=source.licence) if source.pin else None
        model = source.model
    elif key == "reranker":
        model = next((each for each in draft.survey.models.values() if each.role == "reranker"), None)
    elif key == "merge-base":
        model = draft.survey.merge_sources[0].base_model or draft.survey.models[draft.answer("base_model")]
    else:
        model = draft.survey.models.get(_model_id(draft, key))
    if model is None or model.pin is None:
        return None
    return Pin(
        kind="model",
        path=model.pin,
        digest=model.fingerprint,
        bytes=model.bytes,
        id=model.id,
        license=model.licence,
        revision=model.revision,
    )
