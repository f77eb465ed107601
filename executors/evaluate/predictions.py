"""Predictions on disk: those made so far, which survive a kill, and the finished file."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class Made:
    """Answers made so far, by row id; every batch is on disk before the next one starts."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier attempt left; a last line that was cut off by the kill is dropped."""
        self.path = path
        self.answers: dict[str, tuple[str, int]] = {}
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith(b"\n")]
        if len(whole) < len(lines):
            os.truncate(path, sum(map(len, whole)))
        for line in whole:
            record = json.loads(line)
            self.answers[record["id"]] = record["prediction"], record["tokens"]

    def add(self, batch: Mapping[str, tuple[str, int]]) -> None:
        """Append a batch of row id to answer and its count of tokens, and force it to the disk."""
        lines = "".join(
            json.dumps({"id": row_id, "prediction": text, "tokens": tokens}, ensure_ascii=False) + "\n"
            for row_id, (text, tokens) in batch.items()
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as stream:
            stream.write(lines.encode())
            stream.flush()
            os.fsync(stream.fileno())
        self.answers.update(batch)


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
