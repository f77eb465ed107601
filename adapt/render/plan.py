"""A plan on a terminal: the answer first, then the steps, the decisions, and what a reviewer should know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from adapt.render.findings import findings
from adapt.render.storage import storage
from adapt.render.units import estimate, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from planner.documents import Gate, Plan, Step

# How the gates end that stand for a target where there is none.
LEAVES = "leaves something to gain"
# What a reviewer asks first; `adapt explain` tells the rest.
SHOWN = ("approach", "retrieval", "base_model", "objective", "method", "precision", "serving", "quantization")


def plan(document: Plan) -> RenderableType:
    """The whole plan as a page."""
    parts: list[RenderableType] = [_headline(document), Text(), _steps(document), Text(), _decisions(document)]
    if document.warnings:
        parts += [Text(), findings(document.warnings)]
    parts += [Text(), _budget(document)]
    if stored := storage(document):
        parts.append(Text(stored))
    return Group(*parts)


def _headline(document: Plan) -> Text:
    text = Text(document.name, style="bold")
    approach = document.decision("approach")
    if approach is not None:
        text.append(f": {plain(approach.answer)}", style="bold green")
        text.append(f", because {approach.because}")
    if not document.status.applyable:
        text.append(f"\nThis plan cannot be run: {document.status.because}.", style="bold red")
        for need in document.status.needs:
            text.append(f"\n  needed: {need}")
    elif document.status.waits_for:
        text.append(f"\n{document.status.because}: {', '.join(document.status.waits_for)}", style="yellow")
    return text


def _steps(document: Plan) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Step", "What it does", "Time", "Memory", "Runs when"):
        table.add_column(name, overflow="fold")
    gated: set[str] = set()
    for step in document.steps:
        time, memory = estimate(step.resources.time), estimate(step.resources.device_memory)
        table.add_row(step.address, step.title, time, memory, condition(step, gated))
        if step.gates or any(source.step in gated for source in step.inputs.values()):
            gated.add(step.address)
    return table


def condition(step: Step, gated: set[str]) -> str:
    """When a step runs, as one clause; `gated` are the addresses of steps that may be skipped."""
    before = [gate for gate in step.gates if gate.when == "before"]
    targets = sorted({f"{gate.metric} {gate.test}" for gate in before if gate.name.startswith("target")})
    clauses = [f"all rungs before have {' or '.join(targets)}"] if targets else []
    leaves = [gate for gate in before if gate.name.endswith(LEAVES)]
    clauses += ["all rungs before leave something to gain"] if leaves else []
    clauses += _others([gate for gate in before if not gate.name.startswith("target") and gate not in leaves])
    waits = [source.step for source in step.inputs.values() if source.step in gated]
    if not clauses and waits:
        clauses = [f"{waits[-1]} has run"]
    text = " and ".join(clauses) or "always"
    after = [gate for gate in step.gates if gate.when == "after"]
    return "; ".join([text, *(f"stops unless {_compared(gate)} {gate.test}" for gate in after)])


def _others(gates: list[Gate]) -> list[str]:
    """One clause for each name: gates of the same name are alternatives, and their name says what they ask together.

    A few rows that leave a rung in the running are named, since their score is compared at the end of its interval.
    """
    asked: dict[str, list[str]] = {}
    for gate in gates:
        asked.setdefault(gate.name, []).append(f"{_compared(gate)} {gate.test}")
    return [tests[0] if len(tests) == 1 and " may " not in name else name for name, tests in asked.items()]


def _compared(gate: Gate) -> str:
    return gate.metric if gate.against is None else f"{gate.metric} less that of {gate.against}"


def _decisions(document: Plan) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Decision", "Answer", "Because"):
        table.add_column(name, overflow="fold")
    for decision in document.decisions:
        if decision.question in SHOWN:
            table.add_row(decision.question, plain(decision.answer), decision.because)
    return table


def _budget(document: Plan) -> Text:
    text = Text("Budget if every rung runs: ", style="bold")
    if document.budget is None:
        return text.append("unknown")
    text.append(estimate(document.budget.time))
    text.append(f", {estimate(document.budget.cost)}" if document.budget.cost else ", no rental price known")
    device = document.hardware.device
    text.append(f" on {device.count * document.hardware.nodes} x {device.name} ({document.hardware.source})")
    return text
