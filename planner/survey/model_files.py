"""Surveys a model: its files when they are at hand, then the catalog, then what the spec declares."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from planner.documents import Finding, InputError, fingerprint
from planner.survey.model_places import HUB_ID, Place, find_files
from planner.survey.model_survey import ModelKind, ModelSurvey
from planner.survey.problems import pointer_to, problem, raise_errors

if TYPE_CHECKING:
    from pathlib import Path

    from planner.catalog.models import CatalogModel
    from planner.documents import ModelReference


def survey_model(reference: ModelReference, folder: Path, *, index: int = 0) -> ModelSurvey:
    """What is known of a model that a spec names.

    Args:
        reference: the spec's words on the model.
        folder: where relative paths start.
        index: its place in the spec's list, for the messages.

    Raises:
        InputError: no such model is there, or its files cannot be used.
    """
    survey, findings = look_at_model(reference, folder, index=index)
    raise_errors(findings)
    if survey is None:
        raise InputError(findings)
    return survey


def look_at_model(
    reference: ModelReference, folder: Path, *, index: int = 0, file: str | None = None
) -> tuple[ModelSurvey | None, list[Finding]]:
    """The model's survey, None when it cannot be used, and everything that was found; `file` names the spec."""
    pointer = pointer_to("models", index)
    if reference.endpoint is not None:
        return _served(reference), []
    try:
        place = find_files(reference, folder, pointer)
    except InputError as error:
        return None, [_in_file(finding, file) for finding in error.findings]
    known = _of_reference(reference)
    entry, near = _in_catalog(reference.id)
    findings: list[Finding] = []
    if place is not None:
        files, findings = _read(place, reference, pointer)
        if any(finding.severity == "error" for finding in findings):
            return None, findings
        # Files are the truth of sizes and dtypes; the spec's word on the licence stands before theirs.
        licence = known.get("licence") or files.get("licence")
        told, held = known.get("dtype"), files.get("dtype")
        if told and held and told != held:
            message = f"The spec says that the weights are {told}, and the files hold {held}: the files count."
            fix = "Take the dtype out of the spec, or name the other files."
            findings.append(problem("MODEL028", message, fix, pointer=f"{pointer}/dtype", severity="warning"))
        known |= {name: value for name, value in files.items() if value is not None}
        known |= {"licence": licence, "path": place.path, "pin": place.pin, "revision": place.revision}
    elif entry is None and reference.params is None and not _searches(reference):
        message = f"The model `{reference.id}` is not there: no folder or file, not in the cache, not in the catalog."
        fix = f"{near} Give its folder as `path`, or its size as `params`.".strip()
        return None, [problem("MODEL001", message, fix, file=file, pointer=f"{pointer}/id")]
    if entry is not None:
        missing = {name: value for name, value in _of_entry(entry).items() if known.get(name) is None}
        known |= missing
        if "params" in missing:
            known["params_source"] = "catalog"
    if place is None and (entry is not None or HUB_ID.fullmatch(reference.id)):
        known["pin"] = f"hub:{entry.id if entry is not None else reference.id}"
    kind: ModelKind = place.kind if place is not None else "catalog" if entry is not None else "declared"
    return ModelSurvey(id=reference.id, role=reference.role, kind=kind, **known), findings


def _searches(reference: ModelReference) -> bool:
    """Whether it only finds passages and lies on the hub: nothing is computed from its shape."""
    return reference.role in ("encoder", "reranker") and HUB_ID.fullmatch(reference.id) is not None


def _served(reference: ModelReference) -> ModelSurvey:
    """A model that a server answers for: what the catalog and the spec say of it, but no shape to compute with."""
    known = _of_reference(reference)
    entry, _ = _in_catalog(reference.id)
    told = ("params", "context_tokens", "licence", "commercial_use", "tuned", "task", "catalog_id")
    of_entry = _of_entry(entry) if entry is not None else {}
    known = {name: of_entry[name] for name in told if name in of_entry} | known
    if "params" in known:
        known.setdefault("params_source", "catalog")
    return ModelSurvey(id=reference.id, role=reference.role, kind="endpoint", **known)


def _of_reference(reference: ModelReference) -> dict[str, Any]:
    declared = {"dtype": reference.dtype, "licence": reference.license, "params": reference.params}
    known: dict[str, Any] = {name: value for name, value in declared.items() if value is not None}
    if reference.params is not None:
        known["params_source"] = "declared"
    return known


def _in_file(finding: Finding, file: str | None) -> Finding:
    if file is None or finding.where.file is not None:
        return finding
    return finding.model_copy(update={"where": finding.where.model_copy(update={"file": file})})


def _read(place: Place, reference: ModelReference, pointer: str) -> tuple[dict[str, Any], list[Finding]]:
    name = reference.path or reference.id
    if place.kind == "gguf":
        return _read_gguf(place, name, pointer)
    from planner.survey.model_folder import read_folder

    known, findings = read_folder(place.path, name, pointer)
    if known and not any(finding.severity == "error" for finding in findings):
        known["fingerprint"], known["bytes"] = fingerprint(place.path)
    return known, findings


def _read_gguf(place: Place, name: str, pointer: str) -> tuple[dict[str, Any], list[Finding]]:
    # Readers of files are loaded with the first file: most specs name a model of the catalog.
    from planner.survey.gguf_config import config_of
    from planner.survey.gguf_header import GgufError, read_gguf

    try:
        header = read_gguf(place.path)
        digest, size = fingerprint(place.path)
    except (GgufError, OSError) as error:
        message = (
            f"`{name}` {error}." if isinstance(error, GgufError) else f"`{name}` cannot be read: {error.strerror}."
        )
        return {}, [problem("MODEL030", message, "Copy the file again.", file=name, pointer=pointer)]
    config = config_of(header)
    metadata = header.metadata
    findings = []
    if config is None:
        family = metadata.get("general.architecture")
        message = f"`{name}` is of the architecture {family!r}, whose settings are not read from .gguf files."
        fix = "Its memory is judged by its size; give a folder with config.json to know more."
        findings.append(problem("MODEL031", message, fix, file=name, pointer=pointer, severity="warning"))
    licence = metadata.get("general.license")
    template = metadata.get("tokenizer.chat_template")
    kind = header.tensor_type
    return {
        "config": config,
        "params": header.params or None,
        "params_source": "gguf tensors",
        "dtype": {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}.get(kind),
        "context_tokens": metadata.get(f"{metadata.get('general.architecture')}.context_length"),
        "licence": licence if isinstance(licence, str) else None,
        "has_chat_template": isinstance(template, str) and bool(template.strip()),
        "tokenizer": place.path if "tokenizer.ggml.tokens" in metadata else None,
        "quantization": None if kind in {"F32", "F16", "BF16"} else kind,
        "has_weights": bool(header.tensors),
        "fingerprint": digest,
        "bytes": size,
        "gguf": header,
    }, findings


def _of_entry(entry: CatalogModel) -> dict[str, Any]:
    return {
        "config": entry.config,
        "params": entry.params,
        "dtype": entry.dtype,
        "context_tokens": entry.context_tokens,
        "licence": entry.licence,
        "commercial_use": entry.commercial_use,
        "gated": entry.gated,
        "tuned": entry.tuned,
        "task": entry.task,
        "has_chat_template": True if entry.tuned == "instruct" else None,
        "catalog_id": entry.id,
    }


@lru_cache(maxsize=4096)
def _in_catalog(name: str) -> tuple[CatalogModel | None, str]:
    """The catalog's entry, or the sentence that names near ones."""
    # The catalog is read only when a model is named, and remembered.
    from planner.catalog.errors import CatalogError
    from planner.catalog.models import find_model

    try:
        return find_model(name), ""
    except CatalogError as error:
        near = ", ".join(f"`{each}`" for each in error.near)
        return None, f"Did you mean {near}?" if near else ""
