"""The plan's steps while they are drawn up: what the decisions say, and one place that completes a step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from planner.documents import SCREEN, Gate, JsonValue, Reason, Spec, Step, digest
from planner.facts import Unknown
from planner.survey.metrics import MEASURED_METRICS, UNBOUNDED_METRICS, lower_is_better

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    screened: list[str] = field(default_factory=list)
    """Addresses of the steps that measured a rung on a few rows."""
    later: list[Callable[[], None]] = field(default_factory=list)
    """What is drawn once every rung was screened."""

    def answer(self, question: str) -> Any:
        """The answer to a question; None when nothing answers it."""
        return self.decisions[question].answer

    def fact(self, name: str) -> Any:
        """The value of a fact; None when it is unknown."""
        value = self.board.get(name)
        return None if isinstance(value, Unknown) else value

    def add(self, step: Step, because: tuple[str, ...]) -> str:
        """Complete a step and put it into the draft.

        Args:
            step: the step without needs, reasons and recipe.
            because: the decisions that it follows from.

        Returns:
            The step's address.
        """
        read = [source.step for source in step.inputs.values() if source.step]
        asked = [address for gate in step.gates if gate.when == "before" for address in gate.steps]
        asked += [gate.against for gate in step.gates if gate.against]
        recipe: dict[str, Any] = {
            "executor": step.executor,
            "version": step.version,
            "params": step.params,
            "inputs": {
                name: source.pin or f"{self.steps[str(source.step)].recipe_key}:{source.output}"
                for name, source in step.inputs.items()
            },
        }
        if step.environment is not None:
            recipe["environment"] = step.environment.folder
        self.steps[step.address] = step.model_copy(
            update={
                "needs": tuple(dict.fromkeys([*read, *asked])),
                "reasons": tuple(self._reason(question) for question in because),
                "recipe_key": digest(recipe),
            }
        )
        if step.rung:
            self.measured.append(step.address)
        return step.address

    def _reason(self, question: str) -> Reason:
        decision = self.decisions[question]
        return Reason(decision=question, answer=decision.answer, because=decision.because)

    def seen(self) -> list[str]:
        """Addresses of the first look at each rung so far: its screen, or its measurement where it has none."""
        return [*self.screened, *(each for each in self.measured if each + SCREEN not in self.screened)]

    def first_look(self, name: str) -> str:
        """Address of the first measurement of a rung: on a few rows, or on all."""
        whole = f"evaluate/{name}"
        return whole + SCREEN if whole + SCREEN in self.screened else whole

    def yardstick(self) -> str | None:
        """The metric by which rungs are compared where there is no target: the first one that ends at 1."""
        bounded = MEASURED_METRICS - UNBOUNDED_METRICS
        return next((metric for metric in self.spec.evaluation.metrics if metric in bounded), None)

    def gates(self) -> tuple[Gate, ...]:
        """The target is not met by any rung measured so far; for each, one missed metric is enough.

        Without a target, each leaves something to gain.
        """
        target, metric = self.spec.evaluation.target, self.yardstick()
        perfect = self.thresholds["nothing_to_gain"]
        if not target and metric is not None:
            return tuple(
                Gate(
                    name=f"{address} leaves something to gain",
                    when="before",
                    metric=metric,
                    steps=(address,),
                    bound="high",
                    test=f"< {perfect:g}",
                    because="a perfect score would be no real gain any more",
                )
                for address in self.measured
            )
        return tuple(
            Gate(
                name=f"target not met by {address}",
                when="before",
                metric=metric,
                steps=(address,),
                bound="high" if lower_is_better(metric) else "low",
                test=f"{'>' if lower_is_better(metric) else '<'} {goal:g}",
                because="the ladder stops at the first rung whose measured result meets the target, beyond chance",
            )
            for address in self.measured
            for metric, goal in sorted(target.items())
        )

    def output_params(self) -> dict[str, JsonValue]:
        """Form, schema and labels of an answer, as every executor that reads answers takes them."""
        output = self.spec.task.output
        return {
            "format": output.format,
            "schema": dict(self.survey.schema) if self.survey.schema else None,
            "labels": list(output.labels) if output.labels else None,
        }
