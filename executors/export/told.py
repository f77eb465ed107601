"""What every export of a result comes to: what can be started, what goes unsaid, the prompt, the card's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planner.documents import Finding, pretty_json

if TYPE_CHECKING:
    from pathlib import Path

    from executors.export.document import Part
    from executors.export.finished import Finished

CARD = "README.md"


class Made(NamedTuple):
    """What an export of results comes to."""

    parts: tuple[Part, ...]
    unsaid: tuple[Finding, ...]


def write_asked(one: Finished, folder: Path) -> None:
    """The prompt that the result was measured with, for who writes the requests."""
    if one.prompt is not None:
        (folder / "prompt.json").write_text(pretty_json(one.prompt.to_json()), encoding="utf-8")


def instructed(one: Finished) -> tuple[Finding, ...]:
    """That a server puts nothing before a request: who asks must."""
    if one.prompt is None or not (one.prompt.system or one.prompt.examples):
        return searched(one)
    message = f"{one.name} was measured with the system text in prompt.json, which the server does not add."
    finding = Finding(code="EXPORT022", severity="note", message=message, fix="Send it as the first message.")
    return (finding, *searched(one))


def searched(one: Finished) -> tuple[Finding, ...]:
    """That passages of an index are not served."""
    index = any("index" in step.inputs for step in one.sources.plan.steps if step.executor == "evaluate" and step.rung)
    if not index:
        return ()
    message = f"A rung of {one.name} reads passages of an index, which this server does not look up."
    return (Finding(code="EXPORT022", severity="warning", message=message, fix="`adapt serve` does."),)
