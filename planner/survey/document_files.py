"""Surveys documents: a folder of text files, or one file that is not JSON Lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import fingerprint
from planner.survey.data_survey import DataSurvey, lengths_of
from planner.survey.jsonl import JsonLines
from planner.survey.problems import problem

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import DataSource, Finding
    from planner.survey.tokens import TokenCounter

ROW_SUFFIXES = frozenset({".jsonl", ".ndjson"})
TEXT_SUFFIXES = frozenset({".adoc", ".htm", ".html", ".md", ".markdown", ".rst", ".tex", ".text", ".txt"})
# What they say is known when they are indexed: to read them takes a library of the run.
SEALED_SUFFIXES = frozenset({".pdf"})
KNOWN_SUFFIXES = ROW_SUFFIXES | TEXT_SUFFIXES | SEALED_SUFFIXES
SHOWN_FILES = 3
SAMPLE_DOCUMENTS = 64
MAX_SAMPLE_BYTES = 200_000


def read_documents(path: Path, source: DataSource, tokenizer: TokenCounter) -> tuple[DataSurvey, list[Finding]]:
    """Files, rows and bytes of documents; lengths from an even sample of at most 64 of them."""
    name = str(source.path)
    files = [path]
    if path.is_dir():
        files = sorted(item for item in path.rglob("*") if item.is_file() and not _hidden(item, path))
    files = [item for item in files if item.suffix.lower() in KNOWN_SUFFIXES or not path.is_dir()]
    findings: list[Finding] = []
    texts: list[str] = []
    unread: list[tuple[str, str]] = []
    rows = sealed = 0
    step = max(1, -(-len(files) // SAMPLE_DOCUMENTS))
    for index, item in enumerate(files):
        shown = name if item == path else f"{name.rstrip('/')}/{item.relative_to(path).as_posix()}"
        if item.suffix.lower() in ROW_SUFFIXES:
            count, found = _rows(item, shown, texts)
            rows, findings = rows + count, [*findings, *found]
            continue
        rows += 1
        if item.suffix.lower() in SEALED_SUFFIXES:
            sealed += 1
        elif index % step == 0:
            text, wrong = _text(item)
            texts += [text] if not wrong else []
            unread += [(shown, wrong)] if wrong else []
    if not files or not rows:
        fix = f"Files with these endings are read: {', '.join(sorted(KNOWN_SUFFIXES))}."
        findings.append(problem("DATA012", f"`{name}` holds no documents.", fix, file=name))
    elif unread:
        findings.append(_unread(name, unread, is_whole=not texts and not sealed))
    digest, size = fingerprint(path)
    counts, how = tokenizer.counts(texts)
    tokens = lengths_of(counts)
    survey = DataSurvey(
        role="documents",
        source="folder" if path.is_dir() else "file",
        path=name,
        digest=digest,
        bytes=size,
        files=len(files),
        shape="text",
        rows=rows,
        quality=source.quality,
        tokens=tokens,
        completion_tokens=tokens,
        mean_tokens=tokens.mean if tokens else None,
        token_source=how if len(texts) >= rows else f"{how}, on a sample of {len(texts)} of {rows:,} documents",
        sampled_rows=len(texts),
    )
    return survey, findings


def _rows(path: Path, name: str, texts: list[str]) -> tuple[int, list[Finding]]:
    """The count of a file's rows, and what is wrong with them; the first texts are added to the sample."""
    lines, rows = JsonLines(path, name), 0
    for number, row in lines.rows():
        rows += 1
        if not isinstance(row.get("text"), str):
            lines.report("DATA023", "The document has no `text`.", "Give each row a text.", number)
        elif len(texts) < SAMPLE_DOCUMENTS:
            texts.append(row["text"])
    return rows, lines.finish()


def _hidden(item: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in item.relative_to(folder).parts)


def _unread(name: str, unread: list[tuple[str, str]], *, is_whole: bool) -> Finding:
    """What cannot be read: the rest goes on without it, where there is a rest."""
    first = "; ".join(f"`{file}` {wrong}" for file, wrong in unread[:SHOWN_FILES])
    more = f"; {len(unread) - SHOWN_FILES} more like it" if len(unread) > SHOWN_FILES else ""
    message = f"{first}{more}."
    if is_whole:
        return problem("DATA013", message, "Give documents with text, as UTF-8.", file=name)
    fix = "They are left out of the index. Save them as UTF-8 text, or take them out of the folder."
    return problem("DATA045", message, fix, file=name, severity="warning")


def _text(path: Path) -> tuple[str, str]:
    """The start of a file, and what is wrong with it; nothing is wrong where the second is empty."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_SAMPLE_BYTES + 1)
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # A cut through a character at the end of the sample is no fault of the file.
        if len(content) <= MAX_SAMPLE_BYTES or error.start < len(content) - 4:
            return "", "is not UTF-8"
        text = content[: error.start].decode("utf-8-sig")
    if "\x00" in text:
        return "", "is binary"
    return (text, "") if text.strip() else ("", "holds no text")
