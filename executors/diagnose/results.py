"""Results that people already have: what they are is recognised by their content."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from executors.data import Row
from executors.diagnose.examine import Answered
from executors.diagnose.tools import inspect_log, lm_eval, promptfoo
from executors.diagnose.tools.said import Said, text_of, turns
from planner.documents import AdaptError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from planner.documents import JsonValue

OWN = "predictions of `adapt run`"
PLAIN = "plain rows"
# Names that people give to the three parts of a row, the more telling ones first.
REQUESTS = ("prompt", "question", "input", "request", "query", "messages", "instruction")
EXPECTED = (
    "expected",
    "answers",
    "target",
    "reference",
    "ideal",
    "gold_answer",
    "label",
    "answer",
    "completion",
    "sql",
)
PREDICTED = ("prediction", "output", "response", "generated", "model_output", "predicted", "answer", "completion")
ZIP = b"PK\x03\x04"
SHOWN = 8


@dataclass(frozen=True)
class Results:
    """Questions with the answers that they got."""

    tool: str
    """What the file was recognised as."""
    answered: tuple[Answered, ...]
    skipped: int = 0
    """Cases without an expected answer, or without any answer."""


class Known(NamedTuple):
    """What a file was recognised as, the records in it, and how one is read."""

    tool: str
    records: Sequence[dict[str, Any]]
    read: Callable[[dict[str, Any]], Said | None]


def read_results(path: Path) -> Results:
    """Read a file of results, of whichever tool.

    Raises:
        InputError: the file is missing, empty, binary or of an unknown shape, or no case has an expected answer.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _error("DIAG010", path, f"The results cannot be read: {error.strerror}.", "Correct the path.") from error
    if not content.strip():
        raise _error("DIAG010", path, "The file is empty.", "Name a file of results with at least one case.")
    if content.startswith(ZIP):
        known = Known(inspect_log.NAME, inspect_log.archived(path), inspect_log.read)
    else:
        known = _recognised(path, _values(path, content))
    found = [_case(record, number, known, path) for number, record in enumerate(known.records, 1)]
    answered = [each for each in found if each is not None]
    if not answered:
        message = f"None of the {len(found)} cases has an expected answer together with an answer."
        raise _error("DIAG012", path, message, f"Give each row one of: {', '.join(EXPECTED)}.")
    return Results(known.tool, _distinct(answered), len(found) - len(answered))


def _values(path: Path, content: bytes) -> list[Any]:
    """The JSON values of a file: of one document, or a line each."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text:
        fix = "Give JSON, JSON Lines or an Inspect log (.eval)."
        raise _error("DIAG010", path, "The file is binary, or not UTF-8.", fix)
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return [_line(path, number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return whole if isinstance(whole, list) else [whole]


def _line(path: Path, number: int, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"Line {number} is not JSON: {str(error).split(':', maxsplit=1)[0]}."
        raise _error("DIAG011", path, message, "Each line must hold one JSON object.") from error


def _recognised(path: Path, values: list[Any]) -> Known:
    first = next((value for value in values if isinstance(value, dict)), None)
    if first is None:
        raise _error("DIAG011", path, "The file holds no JSON object.", "Each line must hold one JSON object.")
    if len(values) == 1:
        for tool, records, read in (
            (promptfoo.NAME, promptfoo.results_of(first), promptfoo.read),
            (inspect_log.NAME, inspect_log.samples_of(first), inspect_log.read),
        ):
            if records is not None:
                return Known(tool, records, read)
    rows = [value if isinstance(value, dict) else {} for value in values]
    if {"testCase", "success"} <= first.keys():
        return Known(promptfoo.NAME, rows, promptfoo.read)
    if "doc_id" in first and first.keys() & {"resps", "filtered_resps"}:
        return Known(lm_eval.NAME, lm_eval.rows_of(rows), lm_eval.read)
    if not any(row.keys() & set(PREDICTED) for row in rows):
        names = ", ".join(sorted(first)[:SHOWN]) or "nothing"
        message = f"The rows have the fields {names}; none of them is known to hold an answer."
        fix = "Rows need a question (prompt), the expected answer (expected) and the given one (prediction)."
        raise _error("DIAG011", path, message, fix)
    return Known(OWN if {"prediction", "expected", "scores"} <= first.keys() else PLAIN, rows, _from_plain)


def _case(record: dict[str, Any], number: int, known: Known, path: Path) -> Answered | None:
    """One case; None without an expected answer, or without an answer at all."""
    try:
        said = known.read(record)
    except (TypeError, KeyError, ValueError, IndexError, AttributeError) as error:
        message = f"Case {number} cannot be read as {known.tool}: {type(error).__name__} at {str(error)[:80]}."
        raise _error("DIAG011", path, message, "Write the results with that tool again.") from error
    if said is None or said.prediction is None or not said.expected:
        return None
    first, *others = dict.fromkeys(said.expected)
    name = said.id or f"row-{number}"
    row = Row(name, said.prompt, first, said.before, tuple(others), said.gold, db_id=said.db_id)
    return Answered(row, said.prediction, said.given, said.passed)


def _from_plain(record: dict[str, Any]) -> Said | None:
    """A row of our own predictions, or of anybody's with a question, an expected answer and the given one."""
    expected = next((name for name in EXPECTED if record.get(name) is not None), None)
    predicted = next((name for name in PREDICTED if record.get(name) is not None and name != expected), None)
    request = next((name for name in REQUESTS if record.get(name)), None)
    if expected is None or predicted is None:
        return None
    before, prompt = turns(record[request]) if request else ((), "")
    context = record.get("context")
    if isinstance(context, str) and context:
        prompt = f"{context}\n\n{prompt}"
    return Said(
        id=str(record.get("id", "")),
        prompt=prompt,
        before=before,
        expected=_accepted(record[expected]),
        prediction=text_of(record[predicted]),
        passed=next((value for name in ("passed", "correct") if isinstance(value := record.get(name), bool)), None),
        gold=_names(record.get("gold")),
        given=_names(record.get("passages")),
        db_id=str(record.get("db_id", "")),
    )


def _accepted(value: JsonValue) -> tuple[str, ...]:
    """Accepted answers: one text, a list of texts, SQuAD's `{"text": [...]}`, or a JSON value."""
    if isinstance(value, dict) and isinstance(texts := value.get("text"), list):
        value = texts
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return tuple(map(str, value))
    return (text_of(value),)


def _names(value: object) -> tuple[str, ...]:
    """Ids of documents; texts of passages are none."""
    items = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(str(item) for item in items if isinstance(item, str | int))


def _distinct(answered: list[Answered]) -> tuple[Answered, ...]:
    """Every case with an id of its own."""
    from dataclasses import replace

    seen: dict[str, int] = {}
    found = []
    for each in answered:
        count = seen[each.row.id] = seen.get(each.row.id, 0) + 1
        found.append(each if count == 1 else replace(each, row=replace(each.row, id=f"{each.row.id}#{count}")))
    return tuple(found)


def _error(code: str, path: Path, message: str, fix: str) -> AdaptError:
    return InputError.one(code, message, fix, file=str(path))
