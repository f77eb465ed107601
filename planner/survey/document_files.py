"""Surveys documents: a folder of text files, or one file that is not JSON Lines."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from planner.documents import fingerprint
from planner.survey.data_survey import DataSurvey, characters_a_token, lengths_of
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
# Of the longest document; the rest is taken to be like its beginning.
COUNTED_CHARACTERS = 20_000


def read_documents(path: Path, source: DataSource, tokenizer: TokenCounter) -> tuple[DataSurvey, list[Finding]]:
    """Files, rows and bytes of documents; lengths from an even sample of some 64 of them and from the longest one."""
    name = str(source.path)
    files = [path]
    if path.is_dir():
        files = sorted(item for item in path.rglob("*") if item.is_file() and not _hidden(item, path))
    files = [item for item in files if item.suffix.lower() in KNOWN_SUFFIXES or not path.is_dir()]
    findings: list[Finding] = []
    texts = EvenTexts()
    unread: list[tuple[str, str]] = []
    rows = sealed = 0
    step = max(1, -(-len(files) // SAMPLE_DOCUMENTS))
    largest = max((item for item in files if item.suffix.lower() in TEXT_SUFFIXES), key=_size, default=None)
    for index, item in enumerate(files):
        shown = name if item == path else f"{name.rstrip('/')}/{item.relative_to(path).as_posix()}"
        if item.suffix.lower() in ROW_SUFFIXES:
            count, found = _rows(item, shown, texts)
            rows, findings = rows + count, [*findings, *found]
            continue
        rows += 1
        if item.suffix.lower() in SEALED_SUFFIXES:
            sealed += 1
        elif index % step == 0 or item == largest:
            text, wrong = _text(item)
            unread += [(shown, wrong)] if wrong else []
            if not wrong:
                texts.offer(text)
    if not files or not rows:
        fix = f"Files with these endings are read: {', '.join(sorted(KNOWN_SUFFIXES))}."
        findings.append(problem("DATA012", f"`{name}` holds no documents.", fix, file=name))
    elif unread:
        findings.append(_unread(name, unread, is_whole=not texts.kept and not sealed))
    digest, size = fingerprint(path)
    counts, how = tokenizer.counts(texts.kept)
    start, _ = tokenizer.counts([texts.longest[:COUNTED_CHARACTERS]])
    tokens = lengths_of(counts, [ceil(start[0] * max(1.0, len(texts.longest) / COUNTED_CHARACTERS))])
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
        token_source=how if len(counts) >= rows else f"{how}, on a sample of {len(counts)} of {rows:,} documents",
        token_characters=characters_a_token(texts.kept, counts),
        sampled_rows=len(counts),
    )
    return survey, findings


def _size(item: Path) -> int:
    try:
        return item.stat().st_size
    except OSError:
        return 0


class EvenTexts:
    """Every so many-th text of a stream, 64 to 127 of them when it was long, and the longest of all."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.longest = ""
        self._seen, self._step = 0, 1

    def offer(self, text: str) -> None:
        """Look at the next text."""
        if self._seen % self._step == 0:
            self.kept.append(text)
        if len(self.kept) == 2 * SAMPLE_DOCUMENTS:
            self.kept, self._step = self.kept[::2], 2 * self._step
        if len(text) > len(self.longest):
            self.longest = text
        self._seen += 1


def _rows(path: Path, name: str, texts: EvenTexts) -> tuple[int, list[Finding]]:
    """The count of a file's rows, and what is wrong with them; the sample looks at their texts."""
    lines, rows = JsonLines(path, name), 0
    for number, row in lines.rows():
        rows += 1
        if not isinstance(row.get("text"), str):
            lines.report("DATA023", "The document has no `text`.", "Give each row a text.", number)
        else:
            texts.offer(row["text"])
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
