"""What a merge found out about its sources, in sentences: how long they are, and how their units were matched."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from executors.report import StepReport
    from planner.documents import JsonValue


def sources_told(steps: tuple[StepReport, ...]) -> list[str]:
    """A sentence for each merge that compared lengths, and for each source whose units were matched."""
    return [sentence for step in steps for sentence in (*_lengths(step.notes), *_matches(step.notes))]


def _lengths(notes: dict[str, JsonValue]) -> Iterator[str]:
    found = notes.get("magnitudes")
    if not isinstance(found, dict):
        return
    told = f"Lengths of the {found['of']}: {_pairs(found['lengths'])}"
    ratio = f"the longest is {found['longest_over_shortest']} times the shortest"
    if not found["rescaled"]:
        yield f"{told}; {ratio}, which is left as it is."
        return
    yield f"{told}; {ratio}, so all are brought to {found['common_length']}: times {_pairs(found['factors'])}."


def _matches(notes: dict[str, JsonValue]) -> Iterator[str]:
    found = notes.get("alignment")
    for name, match in found.items() if isinstance(found, dict) else ():
        if isinstance(match, dict) and isinstance(moved := match["moved"], dict):
            places = ", ".join(f"{float(str(share)):.0%} of {kind}" for kind, share in moved.items())
            yield (
                f"The units of {name} were matched to those of source-0: the cosine of their weights was "
                f"{match['cosine_before']} and is {match['cosine_after']}; moved {places}."
            )


def _pairs(found: JsonValue) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.items()) if isinstance(found, dict) else ""
