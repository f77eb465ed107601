"""The numbers that training starts from, against published figures and in their limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.facts import FACTS, Unknown
from planner.planning import plan
from planner.survey.data_survey import DataSurvey
from tests.planner.facts.boards import THRESHOLDS, board, lengths, surveyed, with_answers
from tests.planner.specs import spec

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def value(name: str, **arguments: Any) -> Any:
    needs = FACTS[name].needs
    return FACTS[name].compute(**{"thresholds": THRESHOLDS} | arguments if "thresholds" in needs else arguments)


def rate(hidden: int, steps: int = 1000, family: str = "llama") -> float:
    return float(value("lora_learning_rate", hidden_size=hidden, model_family=family, optimizer_steps=steps))


def test_the_rate_is_the_published_formula() -> None:
    # tinker-cookbook: 5e-5 x 10 x (2000 / hidden) ^ 0.781 for Llama
    assert rate(4096) == pytest.approx(5e-5 * 10 * (2000 / 4096) ** 0.781, rel=0.02)
    assert rate(4096) == pytest.approx(2.9e-4, rel=0.02)
    assert rate(2000) == pytest.approx(5e-4)
    assert rate(4096, family="qwen2") == pytest.approx(5e-4 * (2000 / 4096) ** 0.0775, rel=0.02)


def test_a_short_run_has_half_as_much_again() -> None:
    assert rate(4096, steps=149) == pytest.approx(1.5 * rate(4096, steps=150), rel=0.03)


@given(st.integers(64, 20000), st.integers(64, 20000), st.integers(1, 5000), st.sampled_from(["llama", "qwen3", ""]))
def test_the_rate_falls_with_the_width_and_stays_in_bounds(one: int, two: int, steps: int, family: str) -> None:
    narrow, wide = sorted((one, two))
    assert rate(narrow, steps, family) >= rate(wide, steps, family) > 0
    assert rate(narrow, steps, family) <= THRESHOLDS["highest_rate"]


def preference_rate(steps: int) -> float:
    return float(value("preference_learning_rate", optimizer_steps=steps))


def test_few_comparisons_take_a_higher_rate_within_what_was_seen_to_help() -> None:
    # trl's example: 60,000 comparisons in batches of 16; and the 160 of which 20 steps are made.
    assert preference_rate(3750) == pytest.approx(5e-6)
    assert preference_rate(200) == pytest.approx(5e-5)
    assert preference_rate(20) == pytest.approx(2e-4)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_rate_on_comparisons_falls_with_the_steps(one: int, two: int) -> None:
    few, many = sorted((one, two))
    assert 2e-4 >= preference_rate(few) >= preference_rate(many) >= 5e-6


def test_full_finetuning_takes_a_tenth_of_the_rate() -> None:
    full = value("full_learning_rate", hidden_size=4096, model_family="llama")
    assert full == pytest.approx(rate(4096) / 10, rel=0.03)
    assert 1e-5 <= full <= 5e-5


@given(st.floats(0, 1e7))
def test_the_batch_is_the_largest_power_of_two_that_leaves_enough_steps(rows: float) -> None:
    batch = value("batch_for_steps", sequences_seen=rows)
    smallest, largest = THRESHOLDS["smallest_effective_batch"], THRESHOLDS["largest_effective_batch"]
    assert smallest <= batch <= largest
    assert batch & (batch - 1) == 0
    assert batch == smallest or rows / batch >= THRESHOLDS["fewest_steps"]
    assert batch == largest or rows / (2 * batch) < THRESHOLDS["fewest_steps"]


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_more_rows_never_make_a_smaller_batch(one: float, two: float) -> None:
    fewer, more = sorted((one, two))
    assert value("batch_for_steps", sequences_seen=fewer) <= value("batch_for_steps", sequences_seen=more)


@given(st.integers(1, 512), st.integers(1, 512), st.integers(1, 64), st.integers(1, 10**6))
def test_accumulation_makes_up_the_batch_and_steps_cover_the_rows(
    effective: int, micro: int, devices: int, rows: int
) -> None:
    accumulation = value("accumulation_steps", effective_batch=effective, micro_batch=micro, data_parallel=devices)
    together = micro * devices
    assert (accumulation - 1) * together < effective <= accumulation * together
    step = value("rows_a_step", accumulation=accumulation, micro_batch=micro, data_parallel=devices)
    assert effective <= step < effective + together
    steps = value("optimizer_steps", sequences_seen=rows, effective_batch=effective)
    assert (steps - 1) * effective < rows <= steps * effective


def rank(answer_tokens: float) -> int:
    survey = board().get("survey")
    return int(value("rank_for_capacity", survey=survey, base_model=LLAMA, answer_tokens=answer_tokens))


@given(st.floats(0, 1e10), st.floats(0, 1e10))
def test_the_rank_grows_with_the_answers_in_powers_of_two_within_bounds(one: float, two: float) -> None:
    fewer, more = sorted((one, two))
    assert rank(fewer) <= rank(more)
    for tokens in (fewer, more):
        assert THRESHOLDS["smallest_rank"] <= rank(tokens) <= THRESHOLDS["largest_rank"]
        assert rank(tokens) & (rank(tokens) - 1) == 0


def test_the_rank_gives_a_parameter_to_every_token_of_the_answers() -> None:
    # Llama-3.1-8B, rank 16 on all linear layers: 41,943,040 parameters.
    assert rank(41_943_040) == 16
    assert rank(41_943_041) == 32
    assert rank(4 * 41_943_040) == 64
    assert rank(1e12) == 64


UNREAD = Unknown("not read")


def length(**known: Any) -> int:
    unknown = dict.fromkeys(("longest_row_tokens", "row_tokens", "max_input_tokens", "context_tokens"), UNREAD)
    room = int(THRESHOLDS["instruction_tokens"])
    return int(value("sequence_tokens", **{"objective": "sft", "instruction_room": room} | unknown | known))


@given(st.integers(1, 300_000), st.integers(64, 200_000))
def test_the_sequence_holds_the_longest_row_within_the_context(longest: int, context: int) -> None:
    found = length(longest_row_tokens=longest, context_tokens=context)
    room = longest + THRESHOLDS["instruction_tokens"]
    assert found <= context
    assert found == context or (found % 64 == 0 and room <= found < room + 64)


def test_a_row_has_room_for_the_labels_that_its_prompt_lists() -> None:
    many = [f"transfer not received by recipient {at}" for at in range(77)]
    rooms, lengths = list[int](), list[int]()
    for labels in (["on", "off"], many):
        output = {"format": "label", "labels": labels}
        document = plan(spec(task__output=output, task__kind="classification"))
        rooms.append(int(str(next(fact.value for fact in document.facts if fact.name == "instruction_room"))))
        lengths.append(int(str(document.step("train/sft").params["max_length"])))
    assert rooms[0] == THRESHOLDS["instruction_tokens"]
    assert rooms[1] > sum(map(len, many)) / 3.6
    assert lengths[1] - lengths[0] >= rooms[1] - rooms[0] - 64


def test_the_sequence_of_unknown_rows_is_an_assumption() -> None:
    assert length() == THRESHOLDS["assumed_row_tokens"]


def test_of_a_mean_alone_the_longest_row_is_assumed() -> None:
    assert length(row_tokens=1000.0) == 2112
    assert length(row_tokens=1000.0, longest_row_tokens=1100) == 1216, "what was read counts"
    assert length(row_tokens=1000.0, max_input_tokens=1200) == 1344, "no row is longer than inputs are said to be"
    assert length(row_tokens=1000.0, max_input_tokens=100) == 1152, "but for the mean, which was told too"


def test_training_for_a_longer_context_goes_beyond_it() -> None:
    told = {"max_input_tokens": 16_000, "context_tokens": 4096, "row_tokens": 12_000.0}
    assert length(**told) == 4096
    assert length(objective="long-context", **told) >= 16_000


def test_rows_beyond_the_context_are_trained_on_whole_where_it_is_stretched() -> None:
    rows = {"longest_row_tokens": 9000, "context_tokens": 4096}
    assert length(**rows) == 4096
    assert length(objective="long-context", **rows) >= 9000


def test_answers_that_were_not_read_leave_the_rank_unknown() -> None:
    found = with_answers(board(), base_model=LLAMA)
    assert isinstance(found.get("answer_tokens"), Unknown)
    assert isinstance(found.get("rank_for_capacity"), Unknown)
    train = DataSurvey(role="train", source="file", rows=100, completion_tokens=lengths(10, 20))
    assert value("answer_tokens", survey=surveyed(train=train)) == 1000


def test_finetuning_is_planned_when_a_rung_says_so() -> None:
    assert value("finetune_planned", rungs=["prompt", "finetune"]) is True
    assert value("finetune_planned", rungs=["prompt"]) is False


def capacity(**changes: Any) -> Any:
    """The board of a spec whose answers were given."""
    return with_answers(board(**changes), base_model=LLAMA, objective="sft", rank=16)


def test_information_is_told_by_rows_where_answers_were_not_read() -> None:
    assert capacity().get("information_tokens") == 5000 * 200
    assert 0 < capacity().get("information_over_capacity") < 0.01
    plenty = capacity(data__train={"examples": 2_000_000, "mean_tokens": 600})
    assert plenty.get("information_over_capacity") > 1, "more than two bits a parameter of rank 64"


def test_raw_text_is_the_largest_stage_when_it_is_trained_on() -> None:
    changes = {"data__documents": {"examples": 400_000, "mean_tokens": 500}}
    found = with_answers(board(**changes), base_model=LLAMA, objective="continued-pretraining+sft")
    assert found.get("largest_stage_rows") == 400_000
    assert found.get("information_tokens") == 400_000 * 500
    assert capacity(**changes).get("largest_stage_rows") == 5000


def test_a_rate_is_compared_with_that_of_its_own_method() -> None:
    rates = {"lora_learning_rate": 3e-4, "full_learning_rate": 3e-5}
    assert value("rate_over_usual", learning_rate=3e-4, method="lora", **rates) == pytest.approx(1)
    assert value("rate_over_usual", learning_rate=3e-4, method="full", **rates) == pytest.approx(10)


def test_adapters_of_every_tenant_are_held_against_the_memory_for_serving() -> None:
    one, many = (capacity(task__tenants=count).get("adapters_share") for count in (1, 1000))
    assert many == pytest.approx(1000 * one)
    assert capacity(task__tenants=100).get("adapters_share") < THRESHOLDS["resident_adapters_share"] < many


def test_the_last_method_that_was_tried_is_known_with_its_distance() -> None:
    tried = [
        {"approach": "finetune", "method": "lora", "metrics": {"accuracy": 0.8}},
        {"approach": "finetune", "method": "house-recipe", "metrics": {"accuracy": 0.7}},
    ]
    found = capacity(attempts=tried)
    assert found.get("tried_method") == "lora"
    assert found.get("tried_method_gap") == pytest.approx(0.1)
    assert isinstance(capacity().get("tried_method"), Unknown)


def test_style_failures_are_a_share_of_all() -> None:
    assert capacity(failures={"style": 9, "malformed": 1}).get("style_share") == pytest.approx(0.9)
    assert isinstance(capacity().get("style_share"), Unknown)
