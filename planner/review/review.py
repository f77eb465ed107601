"""The review of files: each is read, recognised, measured against memory, and judged by the rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.documents import Estimate, Finding, InputError, Where
from planner.documents.review import Findings, ReviewedFile
from planner.facts import Unknown
from planner.review.facts.memory import memory_estimate
from planner.review.folders import NO_CONFIGURATION, files_in
from planner.review.judge import judge
from planner.review.options import data_of, hardware_of, options_for
from planner.review.readers import read_configuration, recognise
from planner.review.source import read_source
from planner.review.suppression import apply_comments, in_order
from planner.rules import core_book, review_table, user_books
from planner.survey.plain_text import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planner.documents import Hardware, HardwareRecord
    from planner.review.configuration import Configuration
    from planner.review.options import Options
    from planner.rules import Table
    from planner.survey import DataSurvey


def review(
    paths: str | Path | Iterable[str | Path],
    *,
    model: str | None = None,
    hardware: str | Mapping[str, Any] | Hardware | None = None,
    data: object = None,
    rule_books: Iterable[str | Path] = (),
) -> Findings:
    """Judge configurations of finetuning and merging tools, and our own specs and plans.

    A file that cannot be read, or is for no tool that is known, is a finding; the others are judged all the same.

    Args:
        paths: files, or folders of which every recognised file is judged.
        model: the base model, where a file names none or one that is not known.
        hardware: a name of the catalog such as `a10g` or `8xh100`, `auto`, or devices in full.
        data: a path of rows or a number of rows to train on, or a mapping by role: `train`, `validation`, `test`.
        rule_books: the user's rule books.

    Raises:
        InputError: an argument is wrong.
    """
    named = [paths] if isinstance(paths, str | Path) else list(paths)
    books = user_books(Path(path) for path in rule_books)
    table = review_table(books)
    references = {key: str(source) for book in books for key, source in book.references.items()}
    record, surveys = hardware_of(hardware), data_of(data)
    files: list[ReviewedFile] = []
    found: list[Finding] = []
    for path, name in _files(named):
        try:
            configuration = read_configuration(read_source(path, name))
        except InputError as error:
            found += (_at(item, name) for item in error.findings)
            continue
        file, findings = _one(configuration, model=model, hardware=record, data=surveys, table=table)
        files.append(file)
        found += findings
    told = tuple(sorted(dict.fromkeys(found), key=in_order))
    result = Findings(files=tuple(files), findings=told, references=references)
    return apply_comments(
        result, {file.file: read_text(Path(file.file), file.file, code="CONF") for file in files}, _codes(table)
    )


def _codes(table: Table) -> frozenset[str]:
    """Every code that a comment may name: of the rules of a review, and of the warnings of a plan."""
    ids = {row.rule.id for rows in table.rows.values() for row in rows}
    return frozenset(ids | {rule.id for rule in core_book().rules})


def _files(named: list[str | Path]) -> list[tuple[Path, str]]:
    """The files to judge, each once and with its name; of folders those that are of a known tool, or broken."""
    if not named:
        raise InputError.one("CONF001", "No file is named.", "Name a configuration, or a folder with some.")
    files, from_folders = files_in(Path(each) for each in named)
    return [(file, str(file)) for file in files if str(file) not in from_folders or _may_be_known(file)]


def _may_be_known(path: Path) -> bool:
    try:
        return recognise(read_source(path).values) is not None
    except InputError as error:
        return not any(item.code in NO_CONFIGURATION for item in error.findings)


def _at(finding: Finding, name: str) -> Finding:
    """A problem of a file, at its file; one that names another file, such as data, says so in its message."""
    if finding.where.file == name:
        return finding
    where = Where(file=name, pointer=finding.where.pointer if finding.where.file is None else None)
    return finding.model_copy(update={"where": where})


def _one(
    configuration: Configuration,
    *,
    model: str | None,
    hardware: HardwareRecord | None,
    data: Mapping[str, DataSurvey],
    table: Table,
) -> tuple[ReviewedFile, list[Finding]]:
    """One file as it was read, and what was found in it."""
    options = options_for(configuration, model=model, hardware=hardware, data=data)
    estimate, unknown = _memory(configuration, options)
    file = ReviewedFile(
        file=configuration.file,
        tool=configuration.tool,
        recognised_by=configuration.recognised_by,
        settings=dict(sorted(configuration.settings.items())),
        memory=estimate,
        device=hardware.device.name if hardware and estimate else None,
        unknowns=tuple(filter(None, (options.model_source, unknown))),
    )
    return file, [*configuration.findings, *judge(configuration, options, table)]


def _memory(configuration: Configuration, options: Options) -> tuple[Estimate | None, str]:
    """Peak memory of one device, or why it is not known."""
    if configuration.value("training") is not True:
        return None, ""
    found = memory_estimate(configuration, options)
    if isinstance(found, Unknown):
        return None, f"memory: {found.reason}"
    low, expected, high = found.device_bytes
    provenance: Any = found.provenance if found.provenance in ("closed form", "assumed") else "closed form"
    assumptions = tuple(found.assumptions)
    return Estimate(
        low=low, expected=expected, high=high, unit="bytes", assumptions=assumptions, provenance=provenance
    ), ""
