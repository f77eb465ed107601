"""Calibration: moved to the median, never narrower than what was measured, never below the weights."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.memory import TrainingEstimate, TrainingSetting, estimate_training, read_architecture
from planner.memory.calibration import FEWEST, Calibration, Measured

CONFIG = {
    "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": True,
}  # fmt: skip
SETTING = TrainingSetting(method="lora", batch=2)
EXPECTED = 10**10
RATIOS = st.lists(st.floats(0.3, 3.0), min_size=FEWEST, max_size=12)


def plain() -> TrainingEstimate:
    return estimate_training(read_architecture(CONFIG), SETTING)


def measured(ratio: float, *, device: str = "a10g", method: str = "lora", held: float | None = None) -> Measured:
    reserved = None if held is None else int(held * ratio * EXPECTED)
    return Measured(device, method, SETTING.checkpointing, int(ratio * EXPECTED), EXPECTED, reserved)


def tightened(ratios: list[float], held: float | None = None) -> TrainingEstimate:
    rows = [measured(ratio, held=held) for ratio in ratios]
    return Calibration.of(rows).tightened(plain(), SETTING, "a10g")


@given(RATIOS, st.sampled_from([None, 1.0, 1.1, 1.4]))
def test_the_interval_holds_every_measurement_and_is_in_order(ratios: list[float], held: float | None) -> None:
    estimate, before = tightened(ratios, held), plain()
    expected, weights = before.allocated_bytes.expected, before.items["weights"]
    low, middle, high = estimate.allocated_bytes
    assert low <= middle <= high
    assert low <= max(min(ratios) * expected, weights) + 1
    assert high >= max(ratios) * expected - 10
    assert low >= weights
    assert middle == pytest.approx(max(statistics.median(ratios) * expected, weights), rel=1e-6)
    for inner, outer in (
        (estimate.allocated_bytes, estimate.reserved_bytes),
        (estimate.reserved_bytes, estimate.device_bytes),
    ):
        assert all(a <= b for a, b in zip(inner, outer, strict=True))
        assert list(outer) == sorted(outer)


@given(RATIOS)
def test_the_parts_add_up_and_none_is_negative(ratios: list[float]) -> None:
    estimate = tightened(ratios)
    assert min(estimate.items.values()) >= 0
    assert sum(estimate.items.values()) == pytest.approx(estimate.device_bytes.expected, abs=20)


@given(st.lists(st.floats(0.995, 1.005), min_size=FEWEST, max_size=12))
def test_measurements_that_agree_make_the_interval_narrower(ratios: list[float]) -> None:
    estimate, before = tightened(ratios), plain()
    assert estimate.provenance == "calibrated"
    assert any(f"{len(ratios)} measured runs" in text for text in estimate.assumptions)
    width = estimate.allocated_bytes.high - estimate.allocated_bytes.low
    assert width < before.allocated_bytes.high - before.allocated_bytes.low


@given(RATIOS, st.floats(0.3, 3.0))
def test_one_more_measurement_outside_never_makes_it_narrower(ratios: list[float], more: float) -> None:
    ratios = [*ratios, more]
    outlier = [*ratios, max(ratios) * 1.2]
    assert tightened(outlier).allocated_bytes.high >= max(outlier) * plain().allocated_bytes.expected - 10


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [measured(1.0), measured(1.0)],
        [measured(1.0, device="l4")] * 5,
        [measured(1.0, method="full")] * 5,
        [Measured("a10g", "lora", not SETTING.checkpointing, EXPECTED, EXPECTED)] * 5,
        [Measured("a10g", "lora", SETTING.checkpointing, EXPECTED, EXPECTED, trainer="adapt")] * 5,
        [Measured("a10g", "lora", SETTING.checkpointing, 0, EXPECTED)] * 5,
    ],
)
def test_runs_that_cannot_be_compared_change_nothing(rows: list[Measured]) -> None:
    calibration = Calibration.of(rows)
    assert calibration.tightened(plain(), SETTING, "a10g") == plain()
    assert not calibration.knows(SETTING, "a10g")


def test_plans_do_not_read_the_ledger() -> None:
    from pathlib import Path

    import planner

    folder = Path(str(planner.__file__)).parent
    users = [path for path in folder.rglob("*.py") if "memory.calibration" in path.read_text(encoding="utf-8")]
    assert users == []
