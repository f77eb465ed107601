"""Reads one data set in one pass: rows, shapes, repetitions, and a deterministic sample for everything slow."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from planner.documents import near
from planner.documents.public_rows import PUBLIC_SHAPES
from planner.survey.jsonl import JsonLines
from planner.survey.problems import shown
from planner.survey.rows import ANSWERS, FIELDS, SHAPES, Example, RowError, example_of, shape_of

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Finding

SAMPLE_ROWS = 512
SHOWN_IDS = 5
MAX_DISTINCT = 2000
MAX_LABEL_CHARACTERS = 80


@dataclass(slots=True)
class ReadData:
    """A data set as it was read, before its lengths are counted."""

    shape: str | None = None
    rows: int = 0
    prompts: dict[bytes, str] = field(default_factory=dict)
    """Digest of each normalised prompt to the id of its first row."""
    duplicates: int = 0
    conflicts: int = 0
    empty_completions: list[str] = field(default_factory=list)
    equal_answers: list[str] = field(default_factory=list)
    """Rows that compare an answer with itself."""
    completions: Counter[str] | None = field(default_factory=Counter)
    """Rows by completion; None when there are too many different ones."""
    sample: list[Example] = field(default_factory=list)
    longest: list[Example] = field(default_factory=list)
    """The rows with the longest text and the longest completion, by characters."""
    findings: list[Finding] = field(default_factory=list)


def read_data(path: Path, name: str) -> ReadData:
    """Everything that one pass over a JSON Lines file tells; what is wrong with it is in `findings`."""
    lines = JsonLines(path, name)
    data = ReadData()
    sample = _Sample()
    first: dict[bytes, bytes] = {}
    ids: dict[str, int] = {}
    for number, row in lines.rows():
        example = _example(row, number, data, lines)
        if example is None:
            continue
        own = row.get("id")
        if own is not None and ids.setdefault(str(own), number) != number:
            fix = "Give every row an id of its own."
            lines.report("DATA024", f"The id `{shown(str(own))}` stands already in line {ids[str(own)]}.", fix, number)
        data.rows += 1
        key = digest_of(example.completion if data.shape == "text" else example.prompt)
        row_key = _row_digest(example)
        if key not in first:
            data.prompts[key] = row_id(row, number)
            first[key] = row_key
        elif first[key] == row_key:
            data.duplicates += 1
        else:
            data.conflicts += 1
        _note_completion(example, row_id(row, number), data)
        sample.offer(row_key, number, example)
    data.sample, data.longest = sample.rows(), sample.longest()
    if lines.lines and not data.rows and not lines.findings:
        lines.report("DATA012", f"`{name}` has no rows.", "Write one JSON object a line.", None)
    data.findings = lines.finish()
    return data


class _Sample:
    """The rows with the smallest digests: a sample that neither order nor later rows can bias."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Example]] = []
        self._longest: dict[str, tuple[int, Example]] = {}

    def offer(self, key: bytes, number: int, example: Example) -> None:
        entry = (-int.from_bytes(key, "big"), -number, example)
        if len(self._heap) < SAMPLE_ROWS:
            heapq.heappush(self._heap, entry)
        elif entry[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, entry)
        answer = max(len(example.completion), len(example.rejected))
        for what, size in (("all", len(example.prompt) + answer), ("answer", answer)):
            if what not in self._longest or size > self._longest[what][0]:
                self._longest[what] = (size, example)

    def rows(self) -> list[Example]:
        """The sample in the file's order."""
        return [example for _, _, example in sorted(self._heap, key=lambda item: -item[1])]

    def longest(self) -> list[Example]:
        return [example for _, example in self._longest.values()]


def normal(text: str) -> str:
    """A prompt without case and spacing: what counts as the same prompt."""
    return " ".join(text.casefold().split())


def digest_of(prompt: str) -> bytes:
    """Digest of a normalised prompt."""
    return blake2b(normal(prompt).encode("utf-8", "replace"), digest_size=12).digest()


def row_id(row: dict[str, Any], number: int) -> str:
    """The row's own id, or its line."""
    own = row.get("id")
    return str(own)[:60] if isinstance(own, (str, int)) and not isinstance(own, bool) else f"line {number}"


def _row_digest(example: Example) -> bytes:
    text = "\x00".join(
        (normal(example.prompt), " ".join(example.completion.split()), " ".join(example.rejected.split()))
    )
    return blake2b(text.encode("utf-8", "replace"), digest_size=12).digest()


def _note_completion(example: Example, row: str, data: ReadData) -> None:
    answer = example.completion.strip()
    if not answer:
        data.empty_completions.append(row)
    elif answer == example.rejected.strip():
        data.equal_answers.append(row)
    if data.completions is None or data.shape == "text":
        return
    if len(answer) > MAX_LABEL_CHARACTERS and len(data.completions) > MAX_DISTINCT // 2:
        data.completions = None
        return
    data.completions[answer] += 1
    if len(data.completions) > MAX_DISTINCT:
        data.completions = None


def _example(row: dict[str, Any], number: int, data: ReadData, lines: JsonLines) -> Example | None:
    shape = shape_of(row)
    if shape is None:
        message, fix = _unknown(row)
        lines.report("DATA020", message, fix, number)
        return None
    if data.shape is None:
        data.shape = shape
    if shape != data.shape:
        message = f"The row has the shape {shape}, and the rows before it {data.shape}."
        lines.report("DATA021", message, "Put rows of one shape into a file.", number)
        return None
    try:
        return example_of(row, shape)
    except RowError as error:
        lines.report("DATA022", f"The row cannot be used: {error}.", "Correct or delete it.", number)
        return None


def _unknown(row: dict[str, Any]) -> tuple[str, str]:
    """What a row lacks, and the fields that it may have meant."""
    have = set(row)
    lacking = [[name for name in fields if name not in have] for fields in SHAPES.values() if have & set(fields)]
    # The nearest shape; of equally near ones the one that lacks nothing but a plain answer.
    half = min(filter(None, lacking), key=lambda names: (len(names), names[0] not in ANSWERS), default=[])
    others = sorted(str(name) for name in have - set(FIELDS) - {"id"})
    hints = [near(name, [each for each in FIELDS if each not in have]) for name in others]
    hint = " ".join(dict.fromkeys(each for each in hints if each))
    own = sorted(set(SHAPES) - set(PUBLIC_SHAPES))
    shapes = f"Known shapes: {', '.join(own)}, question/answer and others of public data sets."
    if half:
        message = f"The row has {', '.join(f'`{name}`' for name in sorted(have & set(FIELDS)))} and no `{half[0]}`."
        return message, hint or f"Give every row `{half[0]}`. {shapes}"
    named = f"the fields {', '.join(sorted(map(str, have))[:6])}" if have else "no fields"
    message = f"The row has {named}, which is no shape that is known."
    return message, hint or shapes


def overlap_ids(data: ReadData, other: ReadData) -> tuple[int, tuple[str, ...]]:
    """How many different prompts of `data` also stand in `other`, and the ids of the first."""
    shared = [row for key, row in data.prompts.items() if key in other.prompts]
    return len(shared), tuple(shared[:SHOWN_IDS])
