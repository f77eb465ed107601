"""The table of a run's forms: adapter, merged, quantized, each with what it costs and what it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Measurement, ReadAhead

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.report import StepReport
    from planner.documents import Plan, Step


class Form(ReadAhead):
    """One form of the result beside the one that it was held against."""

    form: str
    """`measured` for what the others are held against, else `merged`, or the format of the weights."""
    step: str
    """The step that measured its score."""
    kl_divergence: Measurement | None = None
    """Nats a token, after the answers of what was measured."""
    top1_agreement: Measurement | None = None
    """Share of those tokens that it would choose as well."""
    metric: str | None = None
    score: Measurement | None = None
    """Its own score."""
    loss: Measurement | None = None
    """By how much the score is worse, case by case on the same cases; below 0 it is better."""
    bytes: int | None = None
    """Of its weights on disk."""
    latency_s: Measurement | None = None
    """Seconds from asking to the end of an answer, beside the others of its batch."""
    tokens_per_s: float | None = None
    """Tokens that all rows of a batch were given together."""
    dequantized: bool = False
    """Whether its weights were unpacked to 16 bits to answer: then its speed is not that of the server it is for."""


def forms_of(plan: Plan, steps: Mapping[str, StepReport]) -> tuple[Form, ...]:
    """What the steps of equivalence found, as far as they have run, with the reference of all of them first.

    Args:
        plan: the plan that was run.
        steps: reports by address.
    """
    compared = [step for step in plan.steps if step.executor == "equivalence"]
    done = [step for step in compared if steps[step.address].finished]
    found: list[Form] = []
    for step in done:
        against, own = (str(step.inputs[name].step) for name in ("reference", "predictions"))
        if against not in [form.step for form in found]:
            found.append(_measured(step, against, steps))
        found.append(_form(step, own, steps))
    return tuple(found)


def _measured(step: Step, address: str, steps: Mapping[str, StepReport]) -> Form:
    size = steps[step.address].notes.get("reference_bytes")
    return Form.model_validate({"form": "measured", "bytes": size, **_answers(step, address, steps)})


def _form(step: Step, address: str, steps: Mapping[str, StepReport]) -> Form:
    report = steps[step.address]
    metrics, notes = report.metrics, report.notes
    return Form.model_validate(
        {
            "form": step.address.partition("/")[2],
            "kl_divergence": metrics.get("kl_divergence"),
            "top1_agreement": metrics.get("top1_agreement"),
            "loss": metrics.get("metric_loss"),
            "bytes": notes.get("bytes"),
            "dequantized": "weights" in notes,
            **_answers(step, address, steps),
        }
    )


def _answers(step: Step, address: str, steps: Mapping[str, StepReport]) -> dict[str, object]:
    """Score and speed of the step that let a form answer."""
    report, metric = steps[address], step.params["metric"]
    return {
        "step": address,
        "metric": metric,
        "score": report.metrics.get(str(metric)),
        "latency_s": report.metrics.get("latency_s"),
        "tokens_per_s": report.notes.get("tokens_per_s"),
    }
