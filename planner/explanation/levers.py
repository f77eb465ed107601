"""The levers: every input that a flip may change, with how it is read, set and varied. One table."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from planner.documents import Spec
from planner.explanation import inputs as change
from planner.survey.failures import CAUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planner.documents import JsonValue
    from planner.explanation.inputs import Inputs

MEASURED = "one more, measured as good as the best so far"


@dataclass(frozen=True)
class Scale:
    """How a number is varied: between two ends, in steps that people would name."""

    low: float
    high: float
    step: float = 1
    unit: str = ""
    when_absent: Literal["from low", "from high", "skip"] = "skip"
    """Where a number that the spec does not give starts from."""


@dataclass(frozen=True)
class Lever:
    """One input of a plan."""

    path: str
    now: JsonValue
    scale: Scale | None
    """For numbers; words and flags have choices."""
    choices: tuple[JsonValue, ...]
    set: Callable[[Inputs, JsonValue], Inputs]
    is_event: bool = False
    """Whether it is something that may happen, and has no value now."""


ROWS = Scale(0, 10_000_000, unit="rows", when_absent="from low")
MEASURED_ROWS = Scale(0, 100_000, unit="rows", when_absent="from low")
FRACTION = Scale(0.01, 1.0, 0.01)
# Such as perplexity, which has no upper end.
UNBOUNDED = Scale(0.1, 10_000.0, 0.1)
_SCALES: dict[str, Scale] = {
    "hardware.memory_gb": Scale(1, 1024, unit="GB"),
    "hardware.count": Scale(1, 64, unit="devices"),
    "data.train.examples": ROWS,
    "data.validation.examples": MEASURED_ROWS,
    "data.test.examples": MEASURED_ROWS,
    "data.preferences.examples": ROWS,
    "data.documents.examples": ROWS,
    "data.train.mean_tokens": Scale(8, 200_000, 8, "tokens"),
    "task.tenants": Scale(1, 1000, unit="tenants"),
    "task.max_input_tokens": Scale(256, 2_000_000, 256, "tokens", "from low"),
    "constraints.max_serving_memory_gb": Scale(0.5, 1024, 0.5, "GB", "from high"),
    "constraints.max_hours": Scale(0.5, 1000, 0.5, "hours", "from high"),
    "constraints.budget_usd": Scale(1, 100_000, 1, "US dollars", "from high"),
    "constraints.latency_ms": Scale(10, 10_000, 10, "ms", "from high"),
}
_WORDS = (
    "task.kind",
    "task.changes",
    "task.infilling",
    "task.knowledge.freshness",
    "task.knowledge.private",
    "task.output.format",
    "task.output.rarity",
    "merge.intent",
    "constraints.deployment",
    "constraints.license_use",
    "constraints.ml_experience",
    "constraints.maintenance_owner",
    "constraints.offline",
)
_APPROACHES = ("prompt", "few-shot", "rag", "finetune")


def levers_of(inputs: Inputs) -> tuple[Lever, ...]:
    """The levers of a plan's inputs, in the order in which they are told."""
    return (
        *_hardware(inputs),
        *_data(inputs),
        *_fields(inputs),
        *_failures(inputs),
        *_attempts(inputs),
    )


def _number(path: str, now: Any, scale: Scale, setter: Callable[[Inputs, str, Any], Inputs]) -> Lever:
    return Lever(path, now, scale, (), lambda inputs, value: setter(inputs, path, value))


def _words(path: str, now: Any, choices: tuple[Any, ...], setter: Callable[[Inputs, str, Any], Inputs]) -> Lever:
    others = tuple(choice for choice in choices if choice != now)
    return Lever(path, now, None, others, lambda inputs, value: setter(inputs, path, value))


def _hardware(inputs: Inputs) -> Iterator[Lever]:
    for path in ("hardware.memory_gb", "hardware.count"):
        now = change.get_hardware(inputs, path)
        if now is not None:
            yield _number(path, now, _SCALES[path], change.set_hardware)


def _data(inputs: Inputs) -> Iterator[Lever]:
    for path, scale in _SCALES.items():
        if path.startswith("data."):
            role, name = path.split(".")[1:]
            known = inputs.survey.data.get(role)
            now = None if known is None else known.rows if name == "examples" else known.mean_tokens
            is_given = name == "examples" or (known is not None and known.source == "declared" and now is not None)
            if is_given:
                yield _number(path, now, scale, change.set_data)
    train = inputs.survey.data.get("train")
    if train is not None:
        path = "data.train.quality"
        yield _words(path, train.quality, ("curated", "mixed", "noisy"), change.set_data)


def _fields(inputs: Inputs) -> Iterator[Lever]:
    for metric, goal in inputs.spec.evaluation.target.items():
        yield _number(f"evaluation.target.{metric}", goal, _score_scale(goal), change.set_field)
    for path in _WORDS:
        now = change.get_field(inputs.spec, path)
        if path.startswith("merge.") and inputs.spec.merge is None:
            continue
        yield _words(path, now, _choices(path), change.set_field)
    for path, scale in _SCALES.items():
        if path.startswith(("task.", "constraints.")):
            yield _number(path, change.get_field(inputs.spec, path), scale, change.set_field)


def _score_scale(now: float) -> Scale:
    return FRACTION if now <= FRACTION.high else UNBOUNDED


def _choices(path: str) -> tuple[Any, ...]:
    """The values that a field of the spec may have, by its type."""
    options: tuple[Any, ...] = (Spec,)
    for name in path.split("."):
        model = next(option for option in options if hasattr(option, "model_fields"))
        kind = model.model_fields[name].annotation
        options = get_args(kind) if get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    return tuple(
        word
        for option in options
        for word in ((False, True) if option is bool else get_args(option) if get_origin(option) is Literal else ())
    )


def _failures(inputs: Inputs) -> Iterator[Lever]:
    known = inputs.survey.failures
    for cause in dict.fromkeys([*(known.counts if known else ()), *CAUSES]):
        if cause != "unknown":
            path = f"failures.{cause}"
            scale = Scale(0, 1000, unit="cases", when_absent="from low")
            yield _number(path, change.get_failures(inputs, path), scale, change.set_failures)


def _attempts(inputs: Inputs) -> Iterator[Lever]:
    for metric in inputs.spec.evaluation.target:
        path = f"attempts.{metric}"
        now = change.get_score(inputs, path)
        if now is not None:
            yield _number(path, now, _score_scale(now), change.set_score)
    tried = change.get_prompts_tried(inputs, "attempts.prompts_tried")
    if tried is not None:
        scale = Scale(0, 100, unit="prompts")
        yield _number("attempts.prompts_tried", tried, scale, change.set_prompts_tried)
    for approach in _APPROACHES:
        yield replace(_words(f"attempts.{approach}", None, (MEASURED,), change.add_attempt), is_event=True)
