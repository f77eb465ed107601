"""From a spec to a plan: read, survey, decide, lower, pin."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.budget import budget, time_estimates
from planner.documents import (
    Decision,
    FactRecord,
    InputError,
    Plan,
    Spec,
    Status,
    digested,
    near,
    plan_digest,
    validate,
)
from planner.facts import FACTS, Board, Unknown
from planner.ladder import Draft, alternatives, idle_pins, lower, pins, risks
from planner.rules import core_book, evaluate, plan_table, user_books, warnings
from planner.rules.memo import Store, sign_of
from planner.rules.obstacles import obstacle_status
from planner.shortages import shortages
from planner.survey import Survey, fit_labels, fit_metrics, normalise, read_spec, surveyed
from planner.survey import survey as look
from planner.survey.plain_text import read_text
from planner.survey.spec_syntax import parse_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planner.documents import Filled, Step
    from planner.rules import Book, Table

DISTRIBUTION = "adapt-planner"


@dataclass(frozen=True)
class Decided:
    """Everything that was decided about a spec, before it becomes steps."""

    books: tuple[Book, ...]
    table: Table
    board: Board
    decisions: tuple[Decision, ...]


def plan(
    source: Path | str | Mapping[str, Any] | Spec, *, folder: Path | None = None, known: tuple[Filled, ...] = ()
) -> Plan:
    """Decide how to adapt a model, and write down every step.

    Args:
        source: a spec file (JSON, YAML, TOML), or the spec as plain values or as a document.
        folder: where the spec's relative paths start, and where the plan will lie; the spec file's folder by default.
        known: fields of the spec that were filled from elsewhere, such as from a run, to be told in the plan.

    Raises:
        InputError: something in the spec, or a file that it names, cannot be used; with every problem at once.
    """
    with collector_paused():
        spec, home = _read(source, folder)
        spec, filled = normalise(spec, home)
        survey = look(spec, home, file=str(source) if isinstance(source, str | Path) else None)
        spec, filled = fit_labels(*fit_metrics(spec, filled, survey.data), survey.data)
        return draw(spec, (*known, *filled), survey, decide(spec, survey, home))


@contextmanager
def collector_paused() -> Iterator[None]:
    """Leave the cyclic garbage collector out: a plan makes thousands of records and no cycle among them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read(source: Path | str | Mapping[str, Any] | Spec, folder: Path | None) -> tuple[Spec, Path]:
    """The spec, and the folder of its paths: the one that was asked for, or else that of its file."""
    if isinstance(source, Spec):
        return source, folder or Path()
    if folder is None:
        return read_spec(source)
    if isinstance(source, Path | str):
        name = str(source)
        return validate(
            Spec, parse_text(read_text(Path(source), name, code="SPEC"), name), code="SPEC", file=name
        ), folder
    return validate(Spec, dict(source), code="SPEC"), folder


def decide(spec: Spec, survey: Survey, folder: Path) -> Decided:
    """Answer every question about a normalised spec.

    Raises:
        InputError: a rule book is wrong, or a pin cannot stand.
    """
    return decide_by(user_books(folder / path for path in spec.rule_books), spec, survey)


def decide_by(own: tuple[Book, ...], spec: Spec, survey: Survey) -> Decided:
    """The same with the user's rule books already read.

    Raises:
        InputError: a pin cannot stand.
    """
    base = spec.overrides.get("base_model")
    if isinstance(base, str) and base not in survey.models:
        message = f"The spec pins base_model to `{base}`, which is none of its models."
        fix = near(str(base), survey.models) or f"Its models: {', '.join(survey.models)}."
        raise InputError.one("PIN001", message, fix, pointer="/overrides/base_model")
    books = (*own, core_book())
    table = plan_table(own)
    board = Board({"spec": spec, "survey": survey, "thresholds": table.thresholds})
    return Decided(books, table, board, evaluate(table, board, spec.overrides))


def draw(spec: Spec, filled: tuple[Filled, ...], survey: Survey, decided: Decided) -> Plan:
    """The plan that follows from the decisions: equal inputs give equal bytes."""
    answers = {decision.question: decision for decision in decided.decisions}
    draft = Draft(spec, survey, decided.board, decided.table.thresholds, answers)
    steps = time_estimates(draft, lower(draft))
    pinned, waits_for = pins(draft)
    planned = budget(steps, survey)
    # Both look at facts, and the record lists every fact that was looked at.
    status, at_risk = _status(draft, waits_for), risks(draft)
    status = obstacle_status(decided.table, decided.decisions) or status
    unknown = {name: value for name, value in decided.board.known().items() if isinstance(value, Unknown)}
    document = Plan(
        name=spec.name or "task",
        digest="",
        planner=planner_version(),
        must_understand=_demands(steps),
        status=status,
        spec=spec,
        filled=filled,
        hardware=survey.hardware,
        surveyed=surveyed(survey),
        rule_books=tuple(book.record(decided.books[-1:]) for book in decided.books),
        pins=pinned,
        facts=tuple(_record(name, value) for name, value in decided.board.known().items()),
        decisions=decided.decisions,
        steps=steps,
        outputs=_outputs(draft),
        alternatives=alternatives(draft),
        warnings=(
            *survey.findings,
            *idle_pins(draft),
            *warnings(decided.table, decided.decisions),
            *shortages(spec, planned, steps, survey),
        ),
        budget=planned,
        risks=at_risk,
        unknowns=tuple(f"{name}: {value.reason}" for name, value in unknown.items()),
    )
    return document.model_copy(update={"digest": plan_digest(digested(document))})


@cache
def planner_version() -> str:
    """Version of the installed distribution."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0+source"


# As the records of rules, those of facts are shared between the plans of a process.
_RECORDS: Store[FactRecord] = Store(8192)


def _record(name: str, value: Any) -> FactRecord:
    key = (name, sign_of(value))
    found = _RECORDS.get(key)
    if found is None:
        found = _made_record(name, value)
        _RECORDS.keep(key, found)
    return found


def _made_record(name: str, value: Any) -> FactRecord:
    entry = FACTS[name]
    unknown = value.reason if isinstance(value, Unknown) else None
    known = None if unknown else value
    return FactRecord.made(name=name, value=known, unit=entry.unit, cite=entry.cite, unknown=unknown)


def _demands(steps: tuple[Step, ...]) -> tuple[str, ...]:
    """What a runner must know: one that passed over it would hold a difference for a value, or run with other pins."""
    against = any(gate.against for step in steps for gate in step.gates)
    apart = any(step.environment is not None for step in steps)
    return (*(("against",) if against else ()), *(("environment",) if apart else ()))


def _status(draft: Draft, waits_for: tuple[str, ...]) -> Status:
    """Whether the plan can be run; a spec that nothing satisfies says what would."""
    smallest = draft.fact("int4_memory_share")
    whole = draft.fact("inference_memory_share")
    device = draft.survey.hardware.device
    share = whole if device.kind == "cpu" else smallest
    if share is not None:
        share /= device.count * draft.survey.hardware.nodes
    if share is not None and share > 1:
        memory = draft.fact("device_memory_bytes") or 0
        needed = share * memory / 1e9
        model = draft.answer("base_model")
        how = "in 16 bits" if device.kind == "cpu" else "in 4 bits"
        return Status(
            applyable=False,
            because=f"the smallest candidate, {model}, does not fit {device.name} even {how}",
            needs=(f"a device with {needed:.0f} GB or more (it has {memory / 1e9:.0f} GB)", "or a smaller model"),
        )
    if draft.answer("approach") is None:
        decision = draft.decisions["approach"]
        needs = tuple(need for rejected in decision.rejected for need in rejected.needs)
        return Status(applyable=False, because=decision.because, needs=needs)
    if not draft.steps:
        return Status(applyable=True, because="the target is met already; there is nothing to do")
    if waits_for:
        because = "it can be run once the inputs that the spec only describes are given"
        return Status(applyable=True, because=because, waits_for=waits_for)
    return Status(applyable=True, because="every input is at hand")


def _outputs(draft: Draft) -> dict[str, str]:
    """What the plan leaves, the best first."""
    made, adapted = ("quantize/", "merge/", "train/"), ("train/", "merge/")
    wanted = (("model", made), ("adapter", adapted), ("index", ("retrieve/",)))
    found = {}
    for output, prefixes in wanted:
        for prefix in prefixes:
            sources = [name for name, step in draft.steps.items() if name.startswith(prefix) and output in step.outputs]
            if sources and output not in found:
                found[output] = f"{sources[-1]}:{output}"
    prompts = [address for address in draft.steps if address.startswith("prompt/")]
    if prompts:
        # Of what is left, where it was measured with one: rungs of the base may be measured after it.
        own = [address for output in found.values() if (address := _asked_with(draft, output)) is not None]
        found["prompt"] = f"{(own or prompts[-1:])[0]}:prompt"
    return found


def _asked_with(draft: Draft, output: str) -> str | None:
    """Address of the prompt that an output was measured with."""
    for step in draft.steps.values():
        read = {f"{source.step}:{source.output}" for source in step.inputs.values()}
        if step.executor == "evaluate" and "prompt" in step.inputs and output in read:
            return step.inputs["prompt"].step
    return None
