"""Rows with labels, as a head is trained on them: the request as it is, without instruction or template."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.data import read_rows
from executors.export.rows import Told
from executors.heads import text_of
from executors.train.labels import check_labels, labels_for
from planner.documents import InputError

if TYPE_CHECKING:
    from executors.sources import Sources
    from planner.documents import Step


def labelled_rows(step: Step, sources: Sources) -> tuple[tuple[str, ...], tuple[list[Told], list[Told]]]:
    """The labels in the order of the scores, the rows to train on, and those to validate with.

    Raises:
        InputError: a row has no label of the set, or the files are not at hand.
    """
    files = {name: sources.find(step.inputs[name]) for name in ("train", "validation") if name in step.inputs}
    rows = {name: read_rows(file) for name, file in files.items() if isinstance(file, Path)}
    if "train" not in rows:
        message = f"The rows of {step.address} are not at hand."
        raise InputError.one("EXPORT004", message, "Run the plan up to there; the export then finds them.")
    said: Any = step.params.get("labels")
    labels = labels_for(said, rows["train"])
    if findings := [each for name, found in rows.items() for each in check_labels(found, labels, str(files[name]))]:
        raise InputError(findings)
    told = {
        name: [Told((), (row.completion or "").strip(), plain=text_of(row)) for row in found]
        for name, found in rows.items()
    }
    return labels, (told["train"], told.get("validation", []))
