"""Predictions on disk: those made so far, which survive a kill, and the finished file."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from executors.evaluate.backends import Answer
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


TOLD = ("tokens", "tokens_in", "cut", "error")
# Seconds differ from run to run: they are metrics, and no part of predictions, which are named by their content.
KEPT = (*TOLD, "seconds")


def told(answer: Answer) -> dict[str, Any]:
    """What is known of an answer, as it stands in a record; what is not known or did not happen is left out."""
    return _fields(answer, TOLD)


def _fields(answer: Answer, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(answer, name)) not in (None, "", False)}


class Made:
    """Answers made so far, by row id; every batch is on disk before the next one starts."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier attempt left; a last line that was cut off by the kill is dropped."""
        self.path = path
        self.answers: dict[str, Answer] = {}
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith(b"\n")]
        if len(whole) < len(lines):
            os.truncate(path, sum(map(len, whole)))
        for line in whole:
            record = json.loads(line)
            kept = {name: record[name] for name in KEPT if name in record}
            self.answers[record["id"]] = Answer(text=record["prediction"], **kept)

    def add(self, batch: Mapping[str, Answer]) -> None:
        """Append answers by row id, and force them to the disk."""
        lines = "".join(
            json.dumps({"id": row_id, "prediction": answer.text} | _fields(answer, KEPT), ensure_ascii=False) + "\n"
            for row_id, answer in batch.items()
        )
        if not lines:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as stream:
            stream.write(lines.encode())
            stream.flush()
            os.fsync(stream.fileno())
        self.answers.update(batch)


def screened(path: Path) -> dict[str, Answer]:
    """The answers of an earlier step on some of the cases, by row id; what failed there is asked again."""
    return {
        record["id"]: Answer(text=record["prediction"], **{name: record[name] for name in TOLD if name in record})
        for record in read_predictions(path)
        if not record.get("error")
    }


def write_predictions(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write the predictions' file, a row a case."""
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """Read a predictions' file.

    Raises:
        InputError: a line is no prediction.
    """
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").rstrip("\n").split("\n"), 1):
        try:
            record = json.loads(line)
            records.append(record | {"id": str(record["id"]), "prediction": str(record["prediction"])})
        except (ValueError, KeyError, TypeError) as error:
            message = f"Line {number} is not a prediction with `id` and `prediction`."
            raise InputError.one("DATA020", message, "Name predictions of `evaluate`.", file=str(path)) from error
    return records
