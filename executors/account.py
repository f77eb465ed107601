"""A run accounted for: its report, what was decided, what each step cost and left, and what storing it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from executors.differences import with_comparisons, with_regret
from executors.report import RunReport
from planner.documents import JsonValue, ReadAhead

if TYPE_CHECKING:
    from pathlib import Path

    from executors.state import State
    from planner.documents import Artifact, Plan

# Variants for which storage is told beside the plan's own.
MANY = (10, 100)


class Decided(ReadAhead):
    """A decision of the plan."""

    question: str
    answer: JsonValue
    because: str


class Left(ReadAhead):
    """What a step left."""

    step: str
    output: str
    kind: str
    bytes: int
    digest: str
    name: str | None = None
    """Its name among the plan's outputs."""
    there: bool
    """Whether the store still holds it."""


class Storage(ReadAhead):
    """What some variants take to store: a merged model each, or one base with an adapter each [hu-2021-lora]."""

    tenants: int
    merged_bytes: int
    shared_bytes: int

    @property
    def saving(self) -> float:
        """How many times more the merged models take."""
        return self.merged_bytes / self.shared_bytes


class Account(ReadAhead):
    """A run from its decisions to its disk."""

    format: Literal["adapt.account/1"] = "adapt.account/1"
    report: RunReport
    decisions: tuple[Decided, ...]
    """Those that a reviewer asks for first."""
    artifacts: tuple[Left, ...]
    storage: tuple[Storage, ...] = ()
    """For the plan's variants, and for more; measured on what the run left."""
    state_bytes: dict[str, int] = {}
    """What lies in the state folder, by its parts; runs of other plans in it share them."""


SHOWN = (
    "approach", "retrieval", "base_model", "objective", "method", "precision", "memory", "distribution", "serving",
    "quantization",
)  # fmt: skip


def account(plan: Plan, report: RunReport, state: State) -> Account:
    """Account for a run, as far as it has come.

    Args:
        plan: the plan that was run.
        report: how the run stands.
        state: the state folder.
    """
    report = with_comparisons(report, plan, state)
    if len(report.rungs) > 1 and all(rung.finished for rung in report.rungs):
        report = with_regret(report, plan, state)
    named = {source: name for name, source in plan.outputs.items()}
    left = tuple(
        Left(
            step=step.address,
            output=output,
            kind=one.kind,
            bytes=one.bytes,
            digest=one.digest,
            name=named.get(f"{step.address}:{output}"),
            there=(state.store / "sha256" / one.digest.removeprefix("sha256:")).exists(),
        )
        for step in report.steps
        for output, one in sorted(step.artifacts.items())
    )
    questions = (plan.decision(question) for question in SHOWN)
    decided = tuple(
        Decided(question=found.question, answer=found.answer, because=found.because)
        for found in questions
        if found is not None
    )
    parts = {part.name: _bytes(part) for part in sorted(state.folder.iterdir())} if state.folder.is_dir() else {}
    return Account(
        report=report,
        decisions=decided,
        artifacts=left,
        storage=_storage(plan, report),
        state_bytes={name: size for name, size in parts.items() if size},
    )


def _storage(plan: Plan, report: RunReport) -> tuple[Storage, ...]:
    """From the sizes of the adapter and of the base under it; nothing without both."""
    artifacts = {step.address: step.artifacts for step in report.steps}
    for step in reversed(plan.steps):
        adapter = artifacts.get(step.address, {}).get("adapter")
        base = _base_bytes(plan, step.address, artifacts)
        if adapter is not None and base:
            counts = sorted({plan.spec.task.tenants, *MANY})
            return tuple(
                Storage(tenants=count, merged_bytes=count * base, shared_bytes=base + count * adapter.bytes)
                for count in counts
            )
    return ()


def _base_bytes(plan: Plan, address: str, artifacts: dict[str, dict[str, Artifact]]) -> int | None:
    inputs = plan.step(address).inputs
    # A sum of adapters stands on the base of its parts.
    source = inputs.get("base") or inputs.get("model")
    if source is None:
        return None
    if source.pin is not None:
        return plan.pins[source.pin].bytes
    made = artifacts.get(source.step or "", {}).get(source.output or "")
    return made.bytes if made else None


def _bytes(path: Path) -> int:
    """Bytes of a file or folder, links not followed."""
    items = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    return sum(item.lstat().st_size for item in items if item.is_file() and not item.is_symlink())
