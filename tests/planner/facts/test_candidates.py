"""The base model: the strongest candidate that is allowed and affordable, and why not a larger one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.planner.facts.boards import board

SMALL, MIDDLE, LARGE = (f"Qwen/Qwen2.5-{size}B-Instruct" for size in ("0.5", "7", "72"))


def chosen(*models: str, name: str = "A100", memory_gb: float = 80, count: int = 1, **more: Any) -> tuple[str, str]:
    """The base and why no larger one."""
    hardware = {"devices": [{"name": name, "memory_gb": memory_gb, "count": count}]}
    found = board(hardware=hardware, models=[{"id": model} for model in models], **more)
    return found.get("strongest_model"), found.get("larger_left_for")


def test_the_largest_is_taken_when_nothing_speaks_against_it() -> None:
    assert chosen(SMALL, MIDDLE) == (MIDDLE, "nothing")
    assert chosen(MIDDLE, SMALL) == (MIDDLE, "nothing")


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"name": "RTX 4090", "memory_gb": 24}, "memory"),
        ({"task__max_input_tokens": 20_000, "models": ("meta-llama/Llama-2-70b-chat-hf", MIDDLE)}, "context"),
        ({"constraints": {"max_serving_memory_gb": 8}}, "serving-memory"),
        ({"constraints": {"latency_ms": 1000}, "task__output": {"format": "text"}}, "latency"),
        ({"constraints": {"max_hours": 3}}, "effort"),
        ({"constraints": {"budget_usd": 10}}, "effort"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_largest_cannot_do_is_named(limits: dict[str, Any], expected: str) -> None:
    models = limits.pop("models", (LARGE, MIDDLE))
    name, reason = chosen(*models, **limits)
    assert reason == expected
    assert name != models[0]


def test_devices_that_work_together_hold_larger_models() -> None:
    assert chosen(LARGE, MIDDLE, name="RTX 4090", memory_gb=24)[0] == MIDDLE
    assert chosen(LARGE, MIDDLE, name="RTX 4090", memory_gb=24, count=8)[0] == LARGE


def test_a_model_that_answers_but_cannot_be_trained_is_left_only_when_there_is_data() -> None:
    big, small = "meta-llama/Llama-3.1-70B-Instruct", MIDDLE
    limits: dict[str, Any] = {"name": "A6000", "memory_gb": 48, "data__train": {"examples": 3000, "mean_tokens": 8000}}
    assert chosen(big, small, **limits) == (small, "training-memory")
    assert chosen(big, small, **limits | {"data__train": None})[0] == big


def test_a_limit_that_no_candidate_meets_is_given_up() -> None:
    assert chosen(LARGE, MIDDLE, constraints={"max_serving_memory_gb": 0.1}) == (LARGE, "nothing")
    assert chosen(LARGE, "Qwen/Qwen2.5-32B-Instruct", name="RTX 3060", memory_gb=8)[0] == "Qwen/Qwen2.5-32B-Instruct"


def test_a_teacher_is_no_candidate() -> None:
    models = [{"id": LARGE, "role": "teacher"}, {"id": SMALL, "role": "student"}]
    found = board(models=models)
    assert found.get("strongest_model") == SMALL
    assert found.get("candidate_models") == 1
    assert found.get("student_given") is True
