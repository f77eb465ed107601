"""Plans of fake steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.documents import (
    DeviceFacts,
    HardwareRecord,
    Input,
    ModelReference,
    Pin,
    Plan,
    Spec,
    Status,
    Step,
    Task,
    plan_digest,
    pretty_json,
)

if TYPE_CHECKING:
    from pathlib import Path


def write_step(address: str, reads: tuple[str, ...] = (), **more: Any) -> Step:
    """A step of the executor `write` that reads other steps' texts."""
    fields: dict[str, Any] = {
        "address": address,
        "title": f"Write {address}",
        "executor": "write",
        "version": "1",
        "needs": reads,
        "inputs": {f"i{number}": Input(step=read, output="text") for number, read in enumerate(reads)},
        "params": {"text": address},
        "outputs": ("text",),
    }
    return Step(**fields | more)


def fail_step(address: str, **more: Any) -> Step:
    """A step of the executor `fail`."""
    return write_step(address, executor="fail", **more)


def make_plan(*steps: Step, pins: dict[str, Pin] | None = None, **more: Any) -> Plan:
    """A plan whose digest is right."""
    spec = Spec(task=Task(description="test"), models=(ModelReference(id="none"),))
    cpu = DeviceFacts(name="CPU", kind="cpu", count=1, memory_bytes=0)
    fields: dict[str, Any] = {
        "name": "test",
        "digest": "",
        "planner": "0",
        "status": Status(applyable=True, because="test"),
        "spec": spec,
        "hardware": HardwareRecord(source="assumed", devices=(cpu,)),
        "rule_books": (),
        "decisions": (),
        "pins": pins or {},
        "steps": steps,
    }
    plan = Plan(**fields | more)
    return plan.model_copy(update={"digest": plan_digest(plan.to_json())})


def save(plan: Plan, folder: Path) -> Path:
    """Write a plan as the planner does."""
    path = folder / "plan.json"
    path.write_text(pretty_json(plan.to_json()))
    return path
