"""The order of steps: every step after what it needs, reads or is gated by; otherwise as the plan lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.gates import parse_test
from planner.documents import Finding, InputError, Where, near

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.documents import Step


def schedule(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps in the order in which they run.

    `needs` is about order alone: a step runs although one that it needs was skipped. A step that *reads* an output of
    a skipped step is skipped too; see `skipped_input`.

    Raises:
        InputError: an address twice, an unknown step or output, a test that is not one, or a cycle.
    """
    import networkx

    _validate(steps)
    place = {step.address: index for index, step in enumerate(steps)}
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(place)
    graph.add_edges_from((before, step.address) for step in steps for before in _before(step))
    if not networkx.is_directed_acyclic_graph(graph):
        cycle = [edge[0] for edge in networkx.find_cycle(graph)]
        message = f"These steps wait for each other: {' -> '.join([*cycle, cycle[0]])}."
        raise InputError([_finding("RUN153", message, "Plan again.", "/steps")])
    order = networkx.lexicographical_topological_sort(graph, key=lambda address: place[address])
    return tuple(steps[place[address]] for address in order)


def skipped_input(step: Step, skipped: dict[str, str]) -> str | None:
    """The reason to skip a step that reads an output of a skipped step, or None.

    Args:
        step: the step that is about to run.
        skipped: address of every skipped step to the reason.
    """
    for name, source in sorted(step.inputs.items()):
        if source.step in skipped:
            was = "failed" if " failed: " in skipped[source.step] else "was skipped"
            return f"its input {name} comes from {source.step}, which {was}"
    return None


def _before(step: Step) -> set[str]:
    """Addresses that come before a step."""
    read = {source.step for source in step.inputs.values() if source.step is not None}
    looked_at = {address for gate in step.gates for address in (*gate.steps, gate.against)}
    return {*step.needs, *read, *(address for address in looked_at if address not in (None, step.address))}


def _validate(steps: Sequence[Step]) -> None:
    by_address = {step.address: step for step in steps}
    found: list[Finding] = []
    seen: set[str] = set()
    for index, step in enumerate(steps):
        if step.address in seen:
            message = f"Two steps have the address {step.address}."
            found.append(_finding("RUN150", message, "Plan again.", f"/steps/{index}/address"))
        seen.add(step.address)
        found.extend(_problems(step, index, by_address))
    if found:
        raise InputError(found)


def _problems(step: Step, index: int, by_address: dict[str, Step]) -> Iterator[Finding]:
    for address in sorted(address for address in _before(step) if address not in by_address):
        message = f"{step.address} needs {address}, which is not in the plan."
        yield _finding("RUN151", message, near(address, by_address) or "Plan again.", f"/steps/{index}")
    for name, source in sorted(step.inputs.items()):
        pointer = f"/steps/{index}/inputs/{name}"
        if (source.step is None) == (source.pin is None):
            message = f"The input {name} of {step.address} must name either a step or a pin."
            yield _finding("RUN152", message, "Plan again.", pointer)
        elif source.step in by_address and source.output not in by_address[source.step].outputs:
            message = (
                f"The input {name} of {step.address} is the output {source.output} of {source.step}, which has none."
            )
            fix = f"It leaves: {', '.join(by_address[source.step].outputs) or 'nothing'}."
            yield _finding("RUN152", message, fix, pointer)
    for number, gate in enumerate(step.gates):
        try:
            parse_test(gate.test)
        except InputError as error:
            for finding in error.findings:
                where = Where(pointer=f"/steps/{index}/gates/{number}/test")
                yield finding.model_copy(update={"where": where})


def _finding(code: str, message: str, fix: str, pointer: str) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(pointer=pointer))
