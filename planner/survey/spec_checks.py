"""What a spec's model cannot see: names that do not fit together, files that are not there, values beyond sense."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from planner.documents import DataSource, Finding, InputError, Severity, Spec, near
from planner.survey.endpoint_checks import check_endpoints
from planner.survey.metrics import KNOWN_METRICS, UNBOUNDED_METRICS
from planner.survey.plain_text import read_json, read_text
from planner.survey.problems import pointer_to, problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PERCENT = 100
DATA_ROLES = ("train", "validation", "test", "preferences", "documents")


def check_spec(spec: Spec, folder: Path, *, file: str | None = None) -> tuple[Finding, ...]:
    """Every problem of a spec that its fields alone do not show, errors and warnings alike.

    Args:
        spec: a valid spec.
        folder: where its relative paths start.
        file: the spec's file as the user wrote it, for the messages.
    """
    parts = (
        _metrics(spec, file),
        _labels(spec, file),
        _schema(spec, folder, file),
        _held(spec, folder, file),
        _models(spec, file),
        check_endpoints(spec, file),
    )
    return tuple(finding for part in (*parts, _files(spec, folder, file)) for finding in part)


def load_schema(spec: Spec, folder: Path) -> dict[str, Any] | None:
    """The JSON Schema of the answers as a value, read from its file when the spec gives a path.

    Raises:
        InputError: the file cannot be read, or holds no JSON object.
    """
    schema = spec.task.output.json_schema
    if not isinstance(schema, str):
        return schema
    value = read_json(folder / schema, schema, code="SPEC", pointer="/task/output/schema")
    if not isinstance(value, dict):
        raise InputError.one(
            "SPEC030", f"`{schema}` holds no JSON object.", "Write a JSON Schema.", pointer="/task/output/schema"
        )
    return value


def load_grammar(spec: Spec, folder: Path) -> str | None:
    """The text of the answers' grammar, read from its file.

    Raises:
        InputError: the file cannot be read, or has no rule `root`.
    """
    name = spec.task.output.grammar
    if name is None:
        return None
    pointer = "/task/output/grammar"
    text = read_text(folder / name, name, code="SPEC", pointer=pointer)
    if re.search(r"^\s*root\s*::=", text, re.MULTILINE) is None:
        message = f"`{name}` has no rule `root ::= ...`."
        fix = "Write the grammar in EBNF, as xgrammar and llama.cpp read it."
        raise InputError.one("SPEC047", message, fix, pointer=pointer)
    return text


def source_path(source: str | DataSource | None) -> str | None:
    """The path of a data set, when the spec gives one."""
    return source if isinstance(source, str) or source is None else source.path


def _metrics(spec: Spec, file: str | None) -> Iterator[Finding]:
    named = [(pointer_to("evaluation", "metrics", index), name) for index, name in enumerate(spec.evaluation.metrics)]
    targets = [(pointer_to("evaluation", "target", name), name) for name in spec.evaluation.target]
    own = set(spec.evaluation.metrics)
    for pointer, name in named:
        if name not in KNOWN_METRICS and name not in _own_metrics():
            fix = near(name, KNOWN_METRICS) or "It must come from a package of yours (entry point adapt.metrics)."
            message = f"`{name}` is not a metric that is measured here."
            yield problem("SPEC031", message, fix, file=file, pointer=pointer, severity="warning")
    for pointer, name in targets:
        if own and name not in own:
            fix = near(name, own) or f"Metrics here: {', '.join(sorted(own))}."
            message = f"The target `{name}` is not among the metrics."
            severity: Severity = "warning" if name in KNOWN_METRICS else "error"
            yield problem("SPEC032", message, fix, file=file, pointer=pointer, severity=severity)
        elif not own and name not in KNOWN_METRICS:
            fix = near(name, KNOWN_METRICS) or "Name it in /evaluation/metrics too if an executor of yours measures it."
            message = f"The target `{name}` is not a metric that is measured here."
            yield problem("SPEC032", message, fix, file=file, pointer=pointer, severity="warning")
    values = [("/evaluation/target", spec.evaluation.target)]
    values += [(pointer_to("attempts", index, "metrics"), each.metrics) for index, each in enumerate(spec.attempts)]
    for place, scores in values:
        for name, value in scores.items():
            beyond = value < 0 or (value > 1 and name not in UNBOUNDED_METRICS)
            if beyond:
                example = f": {value / PERCENT:g} for {value:g}%" if 1 < value <= PERCENT else ""
                fix = f"Write a fraction{example}."
                message = f"`{name}` is {value:g}, outside 0 to 1."
                yield problem(
                    "SPEC033", message, fix, file=file, pointer=f"{place}{pointer_to(name)}", severity="warning"
                )


@cache
def _own_metrics() -> frozenset[str]:
    """Metrics that installed packages provide, by name; nothing of theirs is imported."""
    return frozenset(point.name for point in entry_points(group="adapt.metrics"))


def _labels(spec: Spec, file: str | None) -> Iterator[Finding]:
    output = spec.task.output
    pointer = "/task/output/labels"
    if output.labels is None:
        if output.format == "label":
            fix = "List them; until then those found in the training data count."
            message = "The answers are labels, and no labels are listed."
            yield problem("SPEC034", message, fix, file=file, pointer=pointer, severity="warning")
        return
    repeated = sorted({label for label in output.labels if output.labels.count(label) > 1})
    for label in repeated:
        yield problem("SPEC035", f"The label `{label}` is listed twice.", "Keep one.", file=file, pointer=pointer)
    if any(not label.strip() for label in output.labels):
        yield problem("SPEC035", "A label is blank.", "Give it a name.", file=file, pointer=pointer)
    if output.format not in {"label", "json"}:
        fix = 'Set /task/output/format to "label", or leave the labels out.'
        message = f"Labels are listed, and the answers' format is {output.format}."
        yield problem("SPEC036", message, fix, file=file, pointer=pointer, severity="warning")


def _held(spec: Spec, folder: Path, file: str | None) -> Iterator[Finding]:
    """What decoding could be held to beside labels and a schema."""
    output = spec.task.output
    try:
        load_grammar(spec, folder)
    except InputError as error:
        yield from error.findings
    try:
        re.compile(output.pattern or "")
    except re.error as error:
        message = f"The pattern is no regular expression: {error}."
        yield problem("SPEC048", message, "Correct it.", file=file, pointer="/task/output/pattern")
    named = [name for name in ("json_schema", "labels", "pattern", "grammar") if getattr(output, name) is not None]
    if len(named) > 1 and {"pattern", "grammar"} & set(named):
        message = f"Decoding can be held to one of {' and '.join(named).replace('json_schema', 'schema')}."
        fix = "Leave the others out; a grammar can say all of them."
        yield problem("SPEC049", message, fix, file=file, pointer="/task/output")


def _schema(spec: Spec, folder: Path, file: str | None) -> Iterator[Finding]:
    pointer = "/task/output/schema"
    try:
        schema = load_schema(spec, folder)
    except InputError as error:
        yield from error.findings
        return
    if schema is None:
        return
    from planner.survey.schema_check import schema_problem

    wrong = schema_problem(schema)
    if wrong is not None:
        inline = not isinstance(spec.task.output.json_schema, str)
        where = file if inline else str(spec.task.output.json_schema)
        at = pointer + wrong[0] if inline else wrong[0] or None
        fix = "See json-schema.org, draft 2020-12."
        yield problem("SPEC037", f"The schema is not a JSON Schema: {wrong[1]}", fix, file=where, pointer=at)
    if spec.task.output.format not in {"json", "yaml"}:
        message = f"A schema is given, and the answers' format is {spec.task.output.format}."
        fix = 'Set /task/output/format to "json", or leave the schema out.'
        yield problem("SPEC038", message, fix, file=file, pointer=pointer, severity="warning")


def _models(spec: Spec, file: str | None) -> Iterator[Finding]:
    seen: dict[tuple[str, str], int] = {}
    for index, model in enumerate(spec.models):
        first = seen.setdefault((model.id, model.role), index)
        if first != index:
            message = f"The model `{model.id}` is listed twice, first at /models/{first}."
            yield problem("SPEC039", message, "Keep one.", file=file, pointer=pointer_to("models", index, "id"))
    if not any(model.role == "candidate" for model in spec.models) and not any(
        model.role == "student" for model in spec.models
    ):
        message = "No model is a candidate or a student, so nothing could be adapted."
        yield problem("SPEC040", message, 'Give one the role "candidate".', file=file, pointer="/models")


def _files(spec: Spec, folder: Path, file: str | None) -> Iterator[Finding]:
    """Files that the spec names and nobody else in the survey opens; models are looked for where they are read."""
    named: list[tuple[str, str | None]] = [
        (pointer_to("data", role), source_path(getattr(spec.data, role))) for role in DATA_ROLES
    ]
    named += [("/evaluation/data", spec.evaluation.data), ("/evaluation/database", spec.evaluation.database)]
    named += [
        (pointer_to("task", "other_tasks", index, "data"), other.data)
        for index, other in enumerate(spec.task.other_tasks)
    ]
    named += [(pointer_to("rule_books", index), path) for index, path in enumerate(spec.rule_books)]
    if isinstance(spec.failures, str):
        named.append(("/failures", spec.failures))
    for pointer, path in named:
        if path is None:
            continue
        try:
            exists = (folder / path).exists()
        except (OSError, ValueError):
            exists = False
        if not exists:
            yield missing_file(folder, path, pointer, file)


def missing_file(folder: Path, path: str, pointer: str, file: str | None) -> Finding:
    """The finding for a path of the spec that leads nowhere, with a near name from the same folder."""
    try:
        names = sorted(item.name for item in (folder / path).parent.iterdir())[:1000]
    except (OSError, ValueError):
        names = []
    name = path.replace("\\", "/").rpartition("/")[2]
    fix = near(name, names) or "Paths are relative to the folder of the spec."
    return problem("SPEC041", f"The file `{path}` does not exist.", fix, file=file, pointer=pointer)
