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

TEXT_SUFFIXES = frozenset({".adoc", ".html", ".jsonl", ".md", ".markdown", ".ndjson", ".rst", ".tex", ".text", ".txt"})
SAMPLE_DOCUMENTS = 64
MAX_SAMPLE_BYTES = 200_000


def read_documents(path: Path, source: DataSource, tokenizer: TokenCounter) -> tuple[DataSurvey, list[Finding]]:
    """Files, rows and bytes of documents; lengths from an even sample of at most 64 of them."""
    name = str(source.path)
    files = [path]
    if path.is_dir():
        files = sorted(item for item in path.rglob("*") if item.is_file() and not _hidden(item, path))
    files = [item for item in files if item.suffix.lower() in TEXT_SUFFIXES or not path.is_dir()]
    findings: list[Finding] = []
    texts: list[str] = []
    rows = 0
    step = max(1, -(-len(files) // SAMPLE_DOCUMENTS))
    for index, item in enumerate(files):
        shown = name if item == path else f"{name.rstrip('/')}/{item.relative_to(path).as_posix()}"
        if item.suffix.lower() in {".jsonl", ".ndjson"}:
            lines = JsonLines(item, shown)
            for number, row in lines.rows():
                rows += 1
                if not isinstance(row.get("text"), str):
                    lines.report("DATA023", "The document has no `text`.", "Give each row a text.", number)
                elif len(texts) < SAMPLE_DOCUMENTS:
                    texts.append(row["text"])
            findings += lines.finish()
            continue
        rows += 1
        if index % step == 0:
            text = _text(item)
            if text is None:
                findings.append(problem("DATA013", f"`{shown}` is not UTF-8.", "Save it as UTF-8.", file=shown))
            else:
                texts.append(text)
    if not files or not rows:
        fix = f"Files with these endings are read: {', '.join(sorted(TEXT_SUFFIXES))}."
        findings.append(problem("DATA012", f"`{name}` holds no documents.", fix, file=name))
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


def _hidden(item: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in item.relative_to(folder).parts)


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_SAMPLE_BYTES + 1)
    except OSError:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        # A cut through a character at the end of the sample is no fault of the file.
        at_end = len(content) > MAX_SAMPLE_BYTES and error.start >= len(content) - 4
        return content[: error.start].decode() if at_end else None
