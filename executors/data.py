"""Rows of a JSONL file in the shapes that people have, brought to one form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from planner.documents import Finding, InputError, Where, canonical_json
from planner.documents.comparisons import Compared, comparison, verdict
from planner.documents.public_rows import PUBLIC_SHAPES, rows_of_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}


@dataclass(frozen=True)
class Row:
    """One example: what is asked, and the answer where the file has one."""

    id: str
    """The file's own id, or `row-N` by line."""
    prompt: str
    """The last request of the user; empty for plain text."""
    completion: str | None
    """The answer; JSON values as compact text; None where the file has none."""
    before: tuple[dict[str, str], ...] = ()
    """Turns of the conversation before the last request, as `role` and `content`."""
    others: tuple[str, ...] = ()
    """Further answers that count as right."""
    gold: tuple[str, ...] = ()
    """Ids of the documents that hold the answer, where the file names them."""
    slices: tuple[tuple[str, str], ...] = ()
    """Short fields that the file adds to a row, by which scores can be told apart."""
    db_id: str = ""
    """The database that the answer is a query of, where the data name several."""
    rejected: str | None = None
    """An answer that was judged worse than `completion`, or bad where there is no `completion`."""

    @property
    def accepted(self) -> tuple[str, ...]:
        """Every answer that counts as right, the `completion` first; empty where the file has no answer."""
        return () if self.completion is None else (self.completion, *self.others)


@dataclass(frozen=True)
class RowFile:
    """The rows of a file, and the shape that was detected in it."""

    shape: str
    rows: tuple[Row, ...]


class Content(NamedTuple):
    """What a row says, whatever its shape."""

    prompt: str
    completion: str | None
    before: tuple[dict[str, str], ...] = ()
    others: tuple[str, ...] = ()
    rejected: str | None = None


# Fields that carry a row's text or its id are no slices, and neither is anything long.
TEXT_FIELDS = frozenset(
    {"id", "system", "prompt", "completion", "text", "label", "question", "answer", "instruction", "input", "output"}
)
SLICE_CHARACTERS = 40


def read_rows(path: Path) -> list[Row]:
    """The rows of a file in its order; see `read_file`."""
    return list(read_file(path).rows)


def read_file(path: Path) -> RowFile:
    """Read a file of JSON Lines, or of one JSON list, of one of the known shapes; all rows must have the same one.

    Raises:
        InputError: naming file and line: missing, empty, cut off, not UTF-8, mixed or unknown shapes, a field of
            another type, or an id that stands twice.
    """
    records = _records(path)
    first_line, first = records[0]
    shape = _shape(path, first_line, first)
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for line, record in records:
        found = _shape(path, line, record)
        if found != shape:
            message = f"This row has the shape {found}, but line {first_line} has {shape}."
            raise _error("DATA004", path, line, message, "Keep rows of one shape in a file.")
        row_id = str(record.get("id", f"row-{line}"))
        if row_id in seen:
            message = f"The id {row_id!r} stands already on line {seen[row_id]}."
            raise _error("DATA006", path, line, message, "Give every row an id of its own.")
        seen[row_id] = line
        try:
            content = SHAPES[shape][1](record)
            gold = _names(record.get("gold"))
        except (TypeError, KeyError, ValueError) as error:
            raise _error("DATA005", path, line, f"The row cannot be read as {shape}: {error}.") from error
        slices = _slices(record, TEXT_FIELDS.union(SHAPES[shape][0]))
        database = str(record.get("db_id", ""))
        rows.append(Row(row_id, *content[:4], gold, slices, database, content.rejected))
    return RowFile(shape, tuple(rows))


def _records(path: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _error("DATA001", path, None, f"The file cannot be read: {error.strerror}.") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"The file is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}."
        raise _error("DATA002", path, line, message, "Save it as UTF-8.") from error
    try:
        whole = rows_of_document(json.loads(text)) if text.lstrip().startswith(("[", "{")) else None
    except (ValueError, RecursionError):
        whole = None
    if whole:
        return list(enumerate(whole, 1))
    lines = text.split("\n")
    records = []
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            record = json.loads(raw)
        except json.JSONDecodeError as error:
            cut = number == len(lines)
            message = "The last line is cut off." if cut else f"The line is not JSON: {error.msg}."
            raise _error("DATA003", path, number, message, "Each line must hold one JSON object.") from error
        if not isinstance(record, dict):
            message = f"The line holds a {type(record).__name__}, not an object."
            raise _error("DATA003", path, number, message, "Each line must hold one JSON object.")
        records.append((number, record))
    if not records:
        raise _error("DATA001", path, None, "The file holds no rows.", "Each line must hold one JSON object.")
    return records


def _shape(path: Path, line: int, record: dict[str, Any]) -> str:
    for name, (fields, _) in SHAPES.items():
        # A label that is no verdict is a column of the user's, such as the class.
        judged = name != VERDICT or isinstance(record.get("label"), bool)
        if judged and all(field in record for field in fields):
            return name
    known = "; ".join(" + ".join(fields) for fields, _ in SHAPES.values())
    found = ", ".join(sorted(record)) or "nothing"
    raise _error("DATA004", path, line, f"The row has the fields {found}.", f"Known shapes are: {known}.")


def _text(record: dict[str, Any], field: str) -> str:
    value = record[field]
    if not isinstance(value, str):
        raise TypeError(f"{field} is a {type(value).__name__}, not text")
    return value


def _answer(record: dict[str, Any], field: str) -> str:
    """An answer as text; people also write the JSON value itself."""
    value = record[field]
    if value is None:
        raise TypeError(f"{field} is null")
    return value if isinstance(value, str) else canonical_json(value)


def _turns(turns: object, role_key: str, content_key: str) -> Content:
    if not isinstance(turns, list) or not turns:
        raise TypeError("the list of turns is empty or not a list")
    said = []
    for number, turn in enumerate(turns):
        if not isinstance(turn, dict) or not isinstance(turn.get(content_key), str):
            raise TypeError(f"turn {number} has no text under {content_key}")
        role = str(turn.get(role_key))
        role = ROLES.get(role, role)
        if role not in ("system", "user", "assistant"):
            raise ValueError(f"turn {number} has the role {role!r}; system, user and assistant are known")
        said.append({"role": role, "content": turn[content_key]})
    completion = said.pop()["content"] if said[-1]["role"] == "assistant" else None
    if not said or said[-1]["role"] != "user":
        raise ValueError("the answer does not follow a turn of the user")
    return Content(said[-1]["content"], completion, tuple(said[:-1]))


def _instruction(record: dict[str, Any]) -> Content:
    asked = _text(record, "instruction")
    given = _text(record, "input") if record.get("input") else ""
    return Content(f"{asked}\n\n{given}" if given else asked, _answer(record, "output"))


def _public(record: dict[str, Any], shape: str) -> Content:
    """A row of a public data set; what is accepted beside the first answer goes to the others."""
    prompt, (first, *others) = PUBLIC_SHAPES[shape].read(record)
    return Content(prompt, first, (), tuple(others))


def _compared(record: dict[str, Any], read: Callable[[dict[str, Any]], Compared]) -> Content:
    """A row that compares two answers or judges one; the better one is the answer."""
    before, prompt, chosen, rejected = read(record)
    return Content(prompt, chosen, before, (), rejected)


def _names(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str | int) for name in names):
        raise TypeError("gold is not the id of a document, or a list of them")
    return tuple(str(name) for name in names)


def _slices(record: dict[str, Any], texts: frozenset[str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, str(value))
        for name, value in sorted(record.items())
        if name not in texts and isinstance(value, str | int | bool) and len(str(value)) <= SLICE_CHARACTERS
    )


VERDICT = "prompt/completion/label"
# The first shape whose fields a row has: the more telling ones stand first.
SHAPES: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any]], Content]]] = {
    "prompt/chosen/rejected": (("chosen", "rejected"), partial(_compared, read=comparison)),
    VERDICT: (("prompt", "completion", "label"), partial(_compared, read=verdict)),
    "messages": (("messages",), lambda record: _turns(record["messages"], "role", "content")),
    "conversations": (("conversations",), lambda record: _turns(record["conversations"], "from", "value")),
    "instruction/output": (("instruction", "output"), _instruction),
    "prompt/completion": (
        ("prompt", "completion"),
        lambda record: Content(_text(record, "prompt"), _answer(record, "completion")),
    ),
    "prompt/label": (("prompt", "label"), lambda record: Content(_text(record, "prompt"), _answer(record, "label"))),
    "text/label": (("text", "label"), lambda record: Content(_text(record, "text"), _answer(record, "label"))),
    **{name: (shape.fields, partial(_public, shape=name)) for name, shape in PUBLIC_SHAPES.items()},
    "prompt": (("prompt",), lambda record: Content(_text(record, "prompt"), None)),
    "text": (("text",), lambda record: Content("", _text(record, "text"))),
}


def _error(code: str, path: Path, line: int | None, message: str, fix: str = "") -> InputError:
    where = Where(file=str(path), line=line)
    return InputError([Finding(code=code, severity="error", message=message, fix=fix, where=where)])
