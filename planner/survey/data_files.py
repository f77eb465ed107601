"""Surveys the data sets of a spec: shape, size, lengths, labels, repetitions, and rows that stand in two sets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from planner.documents import DataSource, Finding, Spec, fingerprint
from planner.documents.public_rows import FINAL_ANSWER
from planner.survey.data_reader import ReadData, normal, overlap_ids, read_data
from planner.survey.data_remarks import PREFERENCE_SHAPES, misplaced, remarks
from planner.survey.data_survey import DataSurvey, Overlap, characters_a_token, lengths_of
from planner.survey.databases import look_at_databases
from planner.survey.problems import count, first_of, pointer_to, problem, raise_errors
from planner.survey.spec_checks import DATA_ROLES, missing_file
from planner.survey.tokens import ESTIMATED

if TYPE_CHECKING:
    from pathlib import Path

    from planner.survey.tokens import TokenCounter

MAX_LABELS = 200
# A completion is a label when each is seen this often on average, unless the spec says that it is one.
ROWS_PER_LABEL = 3
ROW_SUFFIXES = frozenset({".jsonl", ".ndjson"})
# Which sets must share no prompt: what is measured on with what is trained on, then what is selected on.
OVERLAPS = (
    ("test", "train"),
    ("test", "preferences"),
    ("evaluation", "train"),
    ("evaluation", "preferences"),
    ("validation", "train"),
    ("validation", "test"),
)


def survey_data(spec: Spec, folder: Path, tokenizer: TokenCounter | None = None) -> dict[str, DataSurvey]:
    """What is known of each data set of the spec, by role.

    Args:
        spec: the spec that names or declares the data sets.
        folder: where its relative paths start.
        tokenizer: counts tokens; without one, lengths are estimated and say so.

    Raises:
        InputError: files that are missing, empty, cut off, not UTF-8, no JSON Lines, of mixed shapes or with unusable
            rows; and test rows that stand in the training data. One finding for each, warnings beside them.
    """
    surveys, findings = look_at_data(spec, folder, tokenizer)
    raise_errors(findings)
    return surveys


def look_at_data(
    spec: Spec, folder: Path, tokenizer: TokenCounter | None = None, *, file: str | None = None
) -> tuple[dict[str, DataSurvey], list[Finding]]:
    """The surveys of the data sets that can be used, and everything that was found; `file` names the spec."""
    surveys: dict[str, DataSurvey] = {}
    read: dict[str, ReadData] = {}
    findings: list[Finding] = []
    tokenizer = tokenizer or ESTIMATED
    for role, pointer, source in _sources(spec):
        if source.path is None:
            surveys[role] = _declared(role, source)
            continue
        path = folder / source.path
        kind = _kind_of(path)
        if kind == "nothing":
            findings.append(missing_file(folder, source.path, pointer, file))
        elif role == "documents" and (kind == "folder" or path.suffix.lower() not in ROW_SUFFIXES):
            from planner.survey.document_files import read_documents

            surveys[role], found = read_documents(path, source, tokenizer)
            findings += found
        elif kind == "folder":
            message = f"`{source.path}` is a folder, not a file of JSON Lines."
            findings.append(problem("DATA018", message, "Name a file in it.", file=file, pointer=pointer))
        else:
            data = read_data(path, source.path)
            findings += data.findings
            if data.rows:
                read[role] = data
                surveys[role] = _surveyed(role, source, path, data, tokenizer)
                findings += [*misplaced(spec, surveys[role]), *remarks(spec, surveys[role], data)]
    findings += _add_overlaps(surveys, read)
    databases, found = look_at_databases(spec, folder, file=file)
    return surveys | databases, findings + found


def _kind_of(path: Path) -> str:
    try:
        return "folder" if path.is_dir() else "file" if path.exists() else "nothing"
    except (OSError, ValueError):
        return "nothing"


def _add_overlaps(surveys: dict[str, DataSurvey], read: dict[str, ReadData]) -> list[Finding]:
    """Note in `surveys` the rows that stand in two data sets, and say so."""
    findings = []
    for role, other in OVERLAPS:
        overlap = _overlap(read[role], other, read[other]) if role in read and other in read else None
        if overlap is not None:
            surveys[role] = replace(surveys[role], overlaps=(*surveys[role].overlaps, overlap))
            findings.append(_leak(surveys[role], overlap, surveys[other]))
    return findings


def _sources(spec: Spec) -> list[tuple[str, str, DataSource]]:
    """Role, JSON pointer and source of each data set; the evaluation's own file only when no set names it."""
    sources = [(role, pointer_to("data", role), getattr(spec.data, role)) for role in DATA_ROLES]
    named = [
        (role, pointer, DataSource(path=source) if isinstance(source, str) else source)
        for role, pointer, source in sources
        if source is not None
    ]
    paths = {source.path for _, _, source in named}
    if spec.evaluation.data is not None and spec.evaluation.data not in paths:
        named.append(("evaluation", "/evaluation/data", DataSource(path=spec.evaluation.data)))
    return named


def _declared(role: str, source: DataSource) -> DataSurvey:
    known = source.mean_tokens is not None
    return DataSurvey(
        role=role,
        source="declared",
        rows=source.examples,
        quality=source.quality,
        mean_tokens=source.mean_tokens,
        token_source="declared" if known else "unknown: no file is at hand and no mean_tokens declared",
    )


def _surveyed(role: str, source: DataSource, path: Path, data: ReadData, tokenizer: TokenCounter) -> DataSurvey:
    digest, size = fingerprint(path)
    rows = [*data.sample, *data.longest]
    split = len(data.sample)
    texts = [max(row.completion, row.rejected, key=len) for row in rows]
    counted, how = tokenizer.counts([*(row.prompt for row in rows), *texts])
    prompts, answers = counted[: len(rows)], counted[len(rows) :]
    totals = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    sampled = "" if data.rows <= split else f", on a sample of {split} of {data.rows:,} rows and the longest ones"
    tokens = lengths_of(totals[:split], totals[split:])
    labels = _labels(data)
    return DataSurvey(
        role=role,
        source="file",
        path=source.path,
        digest=digest,
        bytes=size,
        shape=data.shape,
        rows=data.rows,
        quality=source.quality,
        tokens=tokens,
        prompt_tokens=lengths_of(prompts[:split], prompts[split:]),
        completion_tokens=lengths_of(answers[:split], answers[split:]),
        mean_tokens=tokens.mean if tokens else None,
        token_source=how + sampled,
        token_characters=characters_a_token(texts, answers) if role == "documents" else None,
        sampled_rows=split,
        duplicates=data.duplicates,
        conflicts=data.conflicts,
        empty_completions=len(data.empty_completions),
        distinct_completions=None if data.completions is None or data.shape == "text" else len(data.completions),
        labels=labels,
        label_share=round(max(labels.values()) / data.rows, 4) if labels else None,
        **_shares(data),
    )


def _labels(data: ReadData) -> dict[str, int]:
    found = data.completions
    if not found or data.shape in PREFERENCE_SHAPES or "" in found:
        return {}
    few = 1 < len(found) <= min(MAX_LABELS, data.rows // ROWS_PER_LABEL)
    plain = all("\n" not in label and not label.startswith(("{", "[")) for label in found)
    return dict(sorted(found.items())) if few and plain else {}


def _shares(data: ReadData) -> dict[str, Any]:
    """Shares over the sample: JSON answers, values that stand in the prompt, final answers, rows of several turns."""
    if data.shape == "text" or not data.sample:
        return {}
    parsed = [_json_of(row.completion) for row in data.sample]
    values = found = 0
    for row, value in zip(data.sample, parsed, strict=True):
        prompt = normal(row.prompt)
        texts = [row.completion] if value is None else _leaves(value)
        words = [word for word in map(normal, texts) if word]
        values += len(words)
        found += sum(word in prompt for word in words)
    rows = len(data.sample)
    turns = sum(row.turns > 1 for row in data.sample)
    reasoned = sum(FINAL_ANSWER.search(row.completion) is not None for row in data.sample)
    return {
        "json_share": round(sum(value is not None for value in parsed) / rows, 4),
        "grounded_share": round(found / values, 4) if values else None,
        "reasoned_share": round(reasoned / rows, 4),
        "multi_turn_share": round(turns / rows, 4),
    }


def _json_of(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _leaves(value: Any) -> list[str]:
    """The texts and numbers of a JSON value, keys left out."""
    leaves, stack = [], [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, (str, int, float)) and not isinstance(item, bool):
            leaves.append(str(item))
    return leaves


def _overlap(data: ReadData, other: str, rest: ReadData) -> Overlap | None:
    if {data.shape, rest.shape} & {"text"} and data.shape != rest.shape:
        return None
    rows, ids = overlap_ids(data, rest)
    return Overlap(other, rows, ids) if rows else None


_IN_WORDS = {"train": "training", "preferences": "preference"}


def _leak(survey: DataSurvey, overlap: Overlap, other: DataSurvey) -> Finding:
    what = "test row" if survey.role in {"test", "evaluation"} else f"{survey.role} row"
    ids = first_of(overlap.ids, overlap.rows)
    stands = "stands" if overlap.rows == 1 else "stand"
    where = f"the {_IN_WORDS.get(overlap.other, overlap.other)} data `{other.path}`"
    message = f"{count(overlap.rows, what)} {stands} in {where} too: {ids}."
    if what == "test row":
        fix = "Take them out of the training data: a score on rows that were trained on says nothing."
        return problem("DATA030", message, fix, file=survey.path)
    fix = "Take them out of one of the two."
    return problem("DATA031", message, fix, file=survey.path, severity="warning")
