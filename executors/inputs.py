"""What a step must be given before it can start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.documents import Step


def missing_inputs(step: Step, names: Iterable[str], code: str) -> list[Finding]:
    """A finding for each input that the step lacks.

    Args:
        step: the step as planned.
        names: the inputs that its executor cannot do without.
        code: the executor's code for it.
    """
    return [
        Finding(
            code=code,
            severity="error",
            message=f"{step.address} has no input `{name}`.",
            fix="Name it.",
            where=Where(pointer=f"/inputs/{name}"),
        )
        for name in names
        if name not in step.inputs
    ]
