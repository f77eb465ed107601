"""The plan's steps while they are drawn up: what the decisions say, and one place that completes a step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from planner.documents import Gate, Input, JsonValue, Reason, Resources, Retry, Spec, Step, digest
from planner.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Decision
    from planner.facts import Board
    from planner.survey import Survey


@dataclass
class Draft:
    """Steps so far, with what they are drawn from."""

    spec: Spec
    survey: Survey
    board: Board
    thresholds: Mapping[str, float]
    decisions: dict[str, Decision]
    steps: dict[str, Step] = field(default_factory=dict)
    measured: list[str] = field(default_factory=list)
    """Addresses of the steps that measured a rung so far, the cheapest first."""

    def answer(self, question: str) -> Any:
        """The answer to a question; None when nothing answers it."""
        return self.decisions[question].answer

    def fact(self, name: str) -> Any:
        """The value of a fact; None when it is unknown."""
        value = self.board.get(name)
        return None if isinstance(value, Unknown) else value

    def add(
        self,
        address: str,
        title: str,
        executor: str,
        *,
        inputs: dict[str, Input],
        params: dict[str, JsonValue],
        outputs: tuple[str, ...],
        because: tuple[str, ...] = (),
        rung: str | None = None,
        gates: tuple[Gate, ...] = (),
        retry: tuple[Retry, ...] = (),
        checkpoint_s: float | None = None,
        resources: Resources | None = None,
        known_now: dict[str, JsonValue] | None = None,
        known_after: tuple[str, ...] = (),
        version: str = "1",
    ) -> str:
        """Complete a step and put it into the draft; `because` names the decisions it follows from.

        Returns:
            The step's address.
        """
        needs = tuple(dict.fromkeys(source.step for source in inputs.values() if source.step))
        needs += tuple(step for gate in gates if gate.when == "before" for step in gate.steps if step not in needs)
        recipe: dict[str, Any] = {
            "executor": executor,
            "version": version,
            "params": params,
            "inputs": {
                name: source.pin or f"{self.steps[str(source.step)].recipe_key}:{source.output}"
                for name, source in inputs.items()
            },
        }
        self.steps[address] = Step(
            address=address,
            title=title,
            executor=executor,
            version=version,
            needs=tuple(dict.fromkeys(needs)),
            inputs=inputs,
            params=params,
            outputs=outputs,
            rung=rung,
            gates=gates,
            retry=retry,
            checkpoint_s=checkpoint_s,
            resources=resources or Resources(),
            known_now=known_now or {},
            known_after=known_after,
            reasons=tuple(self._reason(question) for question in because),
            recipe_key=digest(recipe),
        )
        if rung:
            self.measured.append(address)
        return address

    def _reason(self, question: str) -> Reason:
        decision = self.decisions[question]
        return Reason(decision=question, answer=decision.answer, because=decision.because)

    def gates(self) -> tuple[Gate, ...]:
        """The target is not met by any rung measured so far; for each, one missed metric is enough."""
        return tuple(
            Gate(
                name=f"target not met by {address}",
                when="before",
                metric=metric,
                steps=(address,),
                bound="low",
                test=f"< {goal:g}",
                because="the ladder stops at the first rung whose measured result meets the target, beyond chance",
            )
            for address in self.measured
            for metric, goal in sorted(self.spec.evaluation.target.items())
        )

    def output_params(self) -> dict[str, JsonValue]:
        """Form, schema and labels of an answer, as every executor that reads answers takes them."""
        output = self.spec.task.output
        return {
            "format": output.format,
            "schema": dict(self.survey.schema) if self.survey.schema else None,
            "labels": list(output.labels) if output.labels else None,
        }
