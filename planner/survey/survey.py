"""Surveys all that a spec names, once, before anything is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.documents import Finding, HardwareRecord, InputError, Spec
from planner.survey.data_files import look_at_data
from planner.survey.encoder import EncoderSurvey, look_at_encoder
from planner.survey.failures import Failures, survey_failures
from planner.survey.hardware import look_at_hardware
from planner.survey.merge_sources import look_at_sources
from planner.survey.model_files import look_at_model
from planner.survey.problems import pointer_to, problem, raise_errors
from planner.survey.spec_checks import check_spec, load_grammar, load_schema
from planner.survey.tokens import ESTIMATED, TokenCounter, counter_of_file, counter_of_gguf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from planner.survey.data_survey import DataSurvey
    from planner.survey.merge_sources import SourceSurvey
    from planner.survey.model_survey import ModelSurvey


@dataclass(frozen=True, slots=True)
class Survey:
    """What is at hand. Equal files and machines give equal surveys."""

    hardware: HardwareRecord
    hardware_sources: Mapping[str, str]
    """Field, such as `/devices/0/bf16`, to probed, declared, catalog or assumed."""
    data: Mapping[str, DataSurvey]
    """By role: train, validation, test, preferences, documents, evaluation; only those that the spec has."""
    models: Mapping[str, ModelSurvey]
    """By id, in the spec's order."""
    failures: Failures | None
    schema: Mapping[str, Any] | None
    """The JSON Schema of the answers, loaded when the spec gives a path."""
    findings: tuple[Finding, ...]
    """Warnings and notes."""
    grammar: str | None = None
    """The text of the answers' grammar, where the spec names one."""
    merge_sources: tuple[SourceSurvey, ...] = ()
    """The sources of the spec's merge, in its order."""
    encoder: EncoderSurvey | None = None
    """The embedding model for a search by meaning; None where there are no documents to search."""


def survey(spec: Spec, folder: Path, *, file: str | None = None) -> Survey:
    """Look at the hardware, data, models, failures and files that a spec names.

    Args:
        spec: a valid spec; nothing is filled in or changed.
        folder: where its relative paths start.
        file: the spec's file as the user wrote it, for the messages.

    Raises:
        InputError: anything cannot be used; with every finding of every part, warnings too.
    """
    findings = list(check_spec(spec, folder, file=file))
    models: dict[str, ModelSurvey] = {}
    for index, reference in enumerate(spec.models):
        model, found = look_at_model(reference, folder, index=index, file=file)
        findings += found
        if model is not None:
            models.setdefault(reference.id, model)
    sources, found = look_at_sources(spec, folder, models)
    findings += found
    counter = tokenizer_of(models.values())
    data, found = look_at_data(spec, folder, counter, file=file)
    findings += [*found, *_foreign_tokens(counter, models)]
    failures, found = survey_failures(spec.failures, folder)
    findings += found
    try:
        hardware = look_at_hardware(spec.hardware, folder, file=file)
    except InputError as error:
        raise InputError(dict.fromkeys([*findings, *error.findings])) from None
    kept = raise_errors([*findings, *hardware.findings])
    return Survey(
        hardware=hardware.record,
        hardware_sources=hardware.sources,
        data=data,
        models=models,
        failures=failures,
        schema=load_schema(spec, folder),
        findings=kept,
        grammar=load_grammar(spec, folder),
        merge_sources=sources,
        encoder=look_at_encoder(spec, models.values()),
    )


def _foreign_tokens(counter: TokenCounter, models: Mapping[str, ModelSurvey]) -> Iterator[Finding]:
    """A finding where the data have tokens that the model of their tokenizer does not know."""
    model = models.get(counter.model)
    config = (model.config if model else None) or {}
    text = config.get("text_config")
    known = config.get("vocab_size") or (text.get("vocab_size") if isinstance(text, dict) else None)
    highest = max(counter.seen, default=-1)
    if isinstance(known, int) and highest >= known:
        message = f"The tokenizer of `{counter.model}` gives token {highest}, but the model knows {known}."
        pointer = pointer_to("models", list(models).index(counter.model))
        yield problem("MODEL027", message, "Use the tokenizer that belongs to the model.", pointer=pointer)


def tokenizer_of(models: Iterable[ModelSurvey]) -> TokenCounter:
    """The token counter of the first candidate that has a tokenizer at hand, else of any model, else the estimate."""
    ordered = sorted(models, key=lambda model: model.role != "candidate")
    for model in ordered:
        if model.gguf is not None:
            counter = counter_of_gguf(model.gguf, model.id)
        elif model.tokenizer is not None:
            counter = counter_of_file(model.tokenizer, model.id)
        else:
            continue
        if counter.exact:
            return counter
    return ESTIMATED
