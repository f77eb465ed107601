"""An executor that does nothing: what is left of its step is the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from executors.contract import Outcome, Params
from planner.documents import Resources

if TYPE_CHECKING:
    from executors.contract import Job, Site
    from planner.documents import Finding, Step
    from planner.documents.events import ErrorClass


class Number(Params):
    """Makes every step another action."""

    text: str


class Nothing:
    """Does nothing, and leaves nothing."""

    name: ClassVar[str] = "nothing"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = Number
    libraries: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[dict[str, str]] = {}

    def check(self, step: Step, site: Site) -> list[Finding]:  # noqa: ARG002
        """Nothing can go wrong."""
        return []

    def estimate(self, step: Step, site: Site) -> Resources:  # noqa: ARG002
        """Nothing is needed."""
        return Resources()

    def perform(self, job: Job) -> Outcome:  # noqa: ARG002
        """Do nothing."""
        return Outcome()

    def classify(self, error: BaseException) -> ErrorClass:  # noqa: ARG002
        """Whatever happens is a bug."""
        return "bug"
