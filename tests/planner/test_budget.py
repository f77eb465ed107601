"""What the steps will take: intervals in order, that grow with the work and shrink with the machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from planner.planning import plan
from tests.planner.specs import DECLARED, spec

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Estimate


def time_of(address: str, **changes: Any) -> Estimate:
    found = plan(spec(**changes)).step(address).resources.time
    assert found is not None
    return found


def test_an_interval_is_in_order_and_says_what_it_assumes() -> None:
    for step in plan(DECLARED).steps:
        for estimate in (step.resources.time, step.resources.device_memory, step.resources.disk):
            if estimate is not None:
                assert 0 <= estimate.low <= estimate.expected <= estimate.high
        assert step.resources.time is not None
        assert step.resources.time.assumptions


def test_more_rows_and_more_epochs_take_longer() -> None:
    short = time_of("train/sft", overrides={"epochs": 1})
    assert short.expected < time_of("train/sft", overrides={"epochs": 3}).expected
    more = {"examples": 15_000, "mean_tokens": 200}
    assert short.expected < time_of("train/sft", overrides={"epochs": 1}, data__train=more).expected


def test_full_finetuning_takes_longer_than_lora() -> None:
    small = [{"id": "Qwen/Qwen2.5-0.5B-Instruct"}]
    times = [
        time_of("train/sft", models=small, overrides={"method": method, "gradient_checkpointing": False})
        for method in ("lora", "full")
    ]
    assert times[0].expected < times[1].expected


def test_a_faster_device_takes_less() -> None:
    slow = time_of("train/sft", hardware={"devices": [{"name": "L4", "memory_gb": 24}]})
    fast = time_of("train/sft", hardware={"devices": [{"name": "H100", "memory_gb": 80}]})
    assert fast.expected < slow.expected


def test_training_and_measuring_name_their_memory() -> None:
    document = plan(DECLARED)
    for address in ("train/sft", "evaluate/zero-shot", "evaluate/sft"):
        memory = document.step(address).resources.device_memory
        assert memory is not None
        assert 10e9 < memory.expected < 80e9
    assert document.step("train/sft").resources.device == "accelerator"


def test_the_memory_of_training_follows_the_rows_not_the_room_that_they_are_given(tmp_path: Path) -> None:
    row = {"prompt": "turn on the light in the kitchen please", "completion": "on"}
    (tmp_path / "train.jsonl").write_text(f"{json.dumps(row)}\n" * 80, encoding="utf-8")

    def memory(**overrides: int) -> Estimate:
        changes: dict[str, Any] = {"overrides": {"approach": "finetune", "micro_batch": 4, **overrides}}
        step = plan(spec(data__train="train.jsonl", **changes), folder=tmp_path).step("train/sft")
        assert step.resources.device_memory is not None
        return step.resources.device_memory

    narrow, wide = memory(max_length=256), memory(max_length=1024)
    assert narrow.low < narrow.expected < narrow.high
    assert (narrow.low, narrow.expected) == (wide.low, wide.expected)
    assert wide.high > 1.1 * narrow.high


def test_the_memory_of_training_stays_within_the_device() -> None:
    for name, gigabytes in (("RTX 3090", 24), ("A6000", 48), ("A100", 80)):
        train = plan(spec(hardware={"devices": [{"name": name, "memory_gb": gigabytes}]})).step("train/sft")
        assert train.resources.device_memory is not None
        assert train.resources.device_memory.high <= gigabytes * 2**30


def test_dollars_follow_the_hours_and_the_number_of_devices() -> None:
    one = plan(DECLARED).budget
    hardware = {"devices": [{"name": "A100", "memory_gb": 80, "count": 4}]}
    four = plan(spec(hardware=hardware, overrides={"distribution": "single"})).budget
    assert one is not None
    assert four is not None
    assert one.cost is not None
    assert four.cost is not None
    assert four.cost.expected == pytest.approx(4 * one.cost.expected, rel=0.01)


def test_devices_that_share_the_rows_are_done_sooner_and_cost_a_little_more() -> None:
    hardware = {"devices": [{"name": "A100", "memory_gb": 80, "count": 4}]}
    spread = plan(spec(hardware=hardware))
    assert spread.decision("distribution").answer == "ddp"  # type: ignore[union-attr]
    alone, together = (document.step("train/sft").resources.time for document in (plan(DECLARED), spread))
    assert alone is not None
    assert together is not None
    assert alone.expected / 4 < together.expected < alone.expected / 3


def test_hardware_without_a_price_costs_an_unknown_sum() -> None:
    hardware = {"devices": [{"name": "CPU", "memory_gb": 0}], "host_memory_gb": 64}
    document = plan(spec(hardware=hardware, models=[{"id": "gpt2"}]))
    assert document.budget is not None
    assert document.budget.cost is None


def test_training_data_of_unknown_size_take_an_unknown_time() -> None:
    step = plan(
        spec(data__train={"mean_tokens": 100}, overrides={"approach": "finetune"}, data__documents={"examples": 9})
    )
    assert all(each.resources.time is not None for each in step.steps if each.executor == "prompt")


@pytest.mark.parametrize(("field", "limit"), [("max_hours", 0.001), ("budget_usd", 0.0)])
def test_a_plan_beyond_the_constraints_is_a_warning(field: str, limit: float) -> None:
    hardware = {"devices": [{"name": "A100", "memory_gb": 80, "count": 1}]}
    found = [
        each for each in plan(spec(constraints={field: limit}, hardware=hardware)).warnings if each.code == "BUDGET001"
    ]
    assert [each.where.pointer for each in found] == [f"/constraints/{field}"]
    assert not [
        each for each in plan(spec(constraints={field: 1e6}, hardware=hardware)).warnings if each.code == "BUDGET001"
    ]


def test_a_disk_that_does_not_hold_the_result_is_told_when_it_is_planned() -> None:
    def told(gigabytes: float) -> list[str]:
        hardware = {"devices": [{"name": "A100", "memory_gb": 80}], "disk_gb": gigabytes}
        document = plan(spec(hardware=hardware, overrides={"approach": "finetune", "serving": "merged"}))
        return [each.message for each in document.warnings if each.code == "BUDGET002"]

    [message] = told(5)
    assert "and 5 GB are free" in message
    assert not told(500)
