"""What an export of a training comes to: files, the command that starts it, and what was not said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.export.sheet import Sheet
    from executors.export.trainings import Training
    from planner.documents import Finding


@dataclass(frozen=True)
class Rendered:
    """One training in the words of a tool."""

    files: Mapping[str, str]
    """Name to content; the configuration is first."""
    command: str
    """What starts it, in the folder of the files."""
    findings: tuple[Finding, ...]
    """What the tool was not told, or not as planned."""


def as_yaml(settings: Mapping[str, Any], heading: str) -> str:
    """Settings in their order, under a line that says what the file is."""
    import yaml

    text: str = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)
    return f"# {heading}\n{text}"


def refuse(training: Training, tool: str, known: tuple[str, ...]) -> None:
    """Stop where a tool has no such method at all.

    Raises:
        InputError: naming the method, and those that the tool has.
    """
    method = str(training.params.get("method"))
    if method not in known:
        message = f"{training.step.address} trains by {method}, which {tool} does not do."
        raise InputError.one("EXPORT002", message, f"It does {', '.join(known)}.")


def refuse_head(training: Training, tool: str) -> None:
    """Stop where a tool trains no head over labels.

    Raises:
        InputError: saying so.
    """
    if training.labels:
        message = f"{training.step.address} trains a head over {len(training.labels)} labels, which {tool} does not do."
        raise InputError.one("EXPORT002", message)


def told_end(sheet: Sheet, training: Training) -> None:
    """Tell that a tool writes the end of a text after the end of a gap, where these are two tokens."""
    gaps = training.gaps
    if gaps and any(row.answer and not row.answer.endswith(gaps.end) for row in training.train):
        because = f"{sheet.tool} adds {gaps.end} behind what ends a gap, and the plan does not."
        sheet.unsaid("objective", because, "Generation ends at the first of them.", severity="note")


def refuse_loss(training: Training, tool: str, known: tuple[str, ...]) -> None:
    """Stop where a tool has no such loss of preferences.

    Raises:
        InputError: naming the loss and those that the tool has.
    """
    if training.loss is not None and training.loss not in known:
        message = f"{training.step.address} learns preferences by {training.loss}, which {tool} does not do."
        raise InputError.one("EXPORT002", message, f"It does {', '.join(known)}.")
