"""What the ladder looks at: gains against chance, shares of symptoms, what a prompt holds, what data cost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.documents import FailureReport
from planner.facts import FACTS, Board, Unknown
from planner.facts.attempts import half_width
from planner.survey.data_survey import DataSurvey, Overlap
from planner.survey.failures import survey_failures
from tests.planner.facts.boards import THRESHOLDS, board, surveyed, with_answers
from tests.planner.specs import EXPLORED

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def value(name: str, **arguments: Any) -> Any:
    needs = FACTS[name].needs
    return FACTS[name].compute(**{"thresholds": THRESHOLDS} | arguments if "thresholds" in needs else arguments)


def rag(accuracy: float, **more: Any) -> dict[str, Any]:
    return {"approach": "rag", "retrieval": "bm25", "metrics": {"accuracy": accuracy}} | more


# ---- gains and chance


def test_sixty_rows_leave_about_ten_points_to_chance_and_four_hundred_five() -> None:
    assert half_width(0.8, 60, 1.96) == pytest.approx(0.10, abs=0.01)
    assert half_width(0.5, 400, 1.96) == pytest.approx(0.05, abs=0.005)


@given(st.floats(0, 1), st.integers(1, 10**6), st.integers(1, 10**6))
def test_more_rows_leave_less_to_chance(share: float, one: int, two: int) -> None:
    fewer, more = sorted((one, two))
    assert 0 <= half_width(share, more, 1.96) <= half_width(share, fewer, 1.96) <= 0.5


@pytest.mark.parametrize(("rows", "helped"), [(60, False), (2000, True)])
def test_a_gain_counts_when_it_is_more_than_chance(rows: int, helped: bool) -> None:
    found = board(data__test={"examples": rows}, attempts=[*EXPLORED, rag(0.71)])
    assert found.get("rag_gain") == pytest.approx(0.05)
    assert found.get("rag_helped") is helped


def test_without_a_count_of_rows_two_points_are_a_gain() -> None:
    found = board(data={"train": {"examples": 50}}, attempts=[*EXPLORED, rag(0.7)])
    assert found.get("score_noise") == THRESHOLDS["smallest_gain"]
    assert found.get("rag_helped") is True


def test_gains_compare_the_best_of_each_rung() -> None:
    tuned = {"approach": "finetune", "metrics": {"accuracy": 0.8}}
    found = board(attempts=[*EXPLORED, rag(0.5), rag(0.7), tuned])
    gains = [found.get(f"{name}_gain") for name in ("few_shot", "rag", "finetune")]
    assert gains == [pytest.approx(0.05), pytest.approx(0.04), pytest.approx(0.14)]


def test_where_less_is_more_a_smaller_value_is_the_gain() -> None:
    evaluation = {"metrics": ["perplexity"], "target": {"perplexity": 10}}
    attempts = [
        {"approach": "prompt", "prompts_tried": 9, "metrics": {"perplexity": 20}},
        {"approach": "few-shot", "metrics": {"perplexity": 12}},
    ]
    found = board(evaluation=evaluation, attempts=attempts)
    assert found.get("few_shot_gain") == pytest.approx(8)
    assert found.get("target_gap") == pytest.approx(2)


def test_a_gap_within_chance_is_said_to_be_so() -> None:
    near = [{"approach": "prompt", "prompts_tried": 9, "metrics": {"accuracy": 0.86}}]
    assert board(data__test={"examples": 60}, attempts=near).get("gap_is_noise") is True
    assert board(data__test={"examples": 4000}, attempts=near).get("gap_is_noise") is False


def test_form_is_scored_apart_from_content() -> None:
    attempts = [{"approach": "few-shot", "metrics": {"accuracy": 0.4, "json_valid": 0.98}}]
    assert board(attempts=attempts).get("form_score") == 0.98
    assert isinstance(board(attempts=EXPLORED).get("form_score"), Unknown)


@pytest.mark.parametrize(
    ("name", "method", "tried"),
    [
        ("constrained_tried", "constrained decoding", True),
        ("constrained_tried", "JSON mode", True),
        ("constrained_tried", "longer instructions", False),
        ("reranking_tried", "hybrid + reranker", True),
        ("reranking_tried", "larger chunks", False),
    ],
)
def test_an_attempt_may_name_its_method(name: str, method: str, tried: bool) -> None:
    assert board(attempts=[rag(0.5, method=method)]).get(name) is tried


def test_attempts_without_scores_and_targets_without_attempts_are_seen() -> None:
    found = board(attempts=[{"approach": "prompt"}, {"approach": "prompt", "metrics": {"f1": 0.5}}])
    assert found.get("unmeasured_attempts") == 1
    assert found.get("target_measured") is False
    assert isinstance(board().get("target_measured"), Unknown)
    assert board().get("target_measurable") is True
    assert board(evaluation={"metrics": ["vibes"], "target": {"vibes": 1}}).get("target_measurable") is False


# ---- failures


def test_a_symptom_counts_for_its_group_and_its_cause() -> None:
    found = board(failures={"malformed": 6, "tone": 2, "outdated": 2})
    assert found.get("syntax_share") == pytest.approx(0.6)
    assert found.get("behaviour_share") == pytest.approx(0.8)
    assert found.get("information_share") == pytest.approx(0.2)
    assert found.get("hallucination_share") == 0


def test_shares_among_a_few_known_cases_prove_nothing() -> None:
    found = board(failures={"unknown": 40, "style": 2})
    assert found.get("failures_known") is False
    assert found.get("diagnosed_share") == pytest.approx(2 / 42)
    assert isinstance(found.get("behaviour_share"), Unknown)
    assert board(failures={"unknown": 2, "style": 40}).get("behaviour_share") == 1


def test_a_report_counts_each_case_once(tmp_path: Any) -> None:
    report = FailureReport(
        source="diagnose/prompting",
        cases_seen=50,
        failed=10,
        by_cause={"behaviour": 7, "capability": 2, "unknown": 1},
        by_symptom={"malformed": 4, "wrong content": 6},
        cases=(),
    )
    (tmp_path / "report.json").write_text(report.model_dump_json())
    from dataclasses import replace

    failures, _ = survey_failures("report.json", tmp_path)
    found = Board({"survey": replace(surveyed(), failures=failures), "thresholds": THRESHOLDS})
    assert found.get("behaviour_share") == pytest.approx(7 / 9)
    assert found.get("capability_share") == pytest.approx(2 / 9)
    assert found.get("syntax_share") == pytest.approx(0.4)


# ---- data


def test_what_is_missing_has_a_price() -> None:
    found = with_answers(board(data__train={"examples": 1500}), rows_wanted=5000)
    assert found.get("rows_missing") == 3500
    assert (found.get("annotation_cost_low_usd"), found.get("annotation_cost_high_usd")) == (7000, 70000)
    assert (found.get("expert_cost_low_usd"), found.get("expert_cost_high_usd")) == (175000, 700000)
    assert with_answers(board(), rows_wanted=300).get("annotation_cost_high_usd") == 0


def test_comparisons_are_examples_too() -> None:
    found = board(data={"preferences": {"examples": 900, "quality": "mixed"}})
    assert (found.get("example_rows"), found.get("data_quality"), found.get("doubled_rows")) == (900, "mixed", 1800)
    assert isinstance(board(data={}).get("data_quality"), Unknown)


def test_leaks_conflicts_and_labels_are_read_off_the_files() -> None:
    train = DataSurvey(role="train", source="file", rows=50, conflicts=5, labels={"bug": 45}, label_share=0.9)
    test = DataSurvey(role="test", source="file", rows=10, path="t.jsonl", overlaps=(Overlap("train", 3, ("1",)),))
    found = Board({"spec": board().get("spec"), "survey": surveyed(train=train, test=test), "thresholds": THRESHOLDS})
    assert found.get("conflict_share") == pytest.approx(0.1)
    assert found.get("leaked_rows") == 3
    assert found.get("largest_label_share") == 0.9
    assert found.get("labels_without_rows") == 2
    declared = board()
    for name in ("conflict_share", "leaked_rows", "largest_label_share", "labels_without_rows"):
        assert isinstance(declared.get(name), Unknown)


def test_the_validation_data_are_no_test() -> None:
    assert board(data={"validation": {"examples": 9}}).get("measures_on_validation") is True
    assert board().get("measures_on_validation") is False


# ---- prompts and passages


def test_examples_take_half_of_the_context() -> None:
    fit = value("examples_that_fit", context_tokens=2048, row_tokens=200, max_input_tokens=Unknown("not said"))
    assert fit == int((1024 - THRESHOLDS["instruction_tokens"] - 200) / 200)
    assert value("examples_that_fit", context_tokens=512, row_tokens=400, max_input_tokens=300) == 0


@given(st.integers(1, 10**6), st.floats(1, 10**5), st.integers(1, 10**6))
def test_a_longer_context_holds_no_fewer_examples(context: int, tokens: float, asked: int) -> None:
    few = value("examples_that_fit", context_tokens=context, row_tokens=tokens, max_input_tokens=asked)
    more = value("examples_that_fit", context_tokens=2 * context, row_tokens=tokens, max_input_tokens=asked)
    assert 0 <= few <= more


def test_each_label_is_shown_once_as_far_as_there_is_room() -> None:
    fit = Unknown("not known")
    assert value("examples_for_labels", label_count=20, train_rows=500, examples_that_fit=fit) == 20
    assert value("examples_for_labels", label_count=77, train_rows=500, examples_that_fit=fit) == 50
    assert value("examples_for_labels", label_count=20, train_rows=500, examples_that_fit=6) == 6


def test_more_examples_are_twice_those_that_were_tried() -> None:
    found = with_answers(board(attempts=EXPLORED), base_model=LLAMA)
    assert found.get("more_examples") == 16
    assert isinstance(with_answers(board(), base_model=LLAMA).get("more_examples"), Unknown)


def test_an_input_is_compared_with_the_context() -> None:
    found = with_answers(board(task__max_input_tokens=262144), base_model=LLAMA)
    assert found.get("input_share") == pytest.approx(2)


def test_the_fixed_part_of_a_prompt_grows_with_its_examples() -> None:
    shown = {"examples": 8, "row_tokens": 200.0}
    assert value("prefix_tokens", rungs=["prompt"], **shown) == THRESHOLDS["instruction_tokens"]
    assert value("prefix_tokens", rungs=["few-shot"], **shown) == THRESHOLDS["instruction_tokens"] + 1600


@given(st.integers(64, 10**6), st.integers(16, 4096), st.integers(1, 10**6))
def test_there_is_always_room_for_one_passage(context: int, chunk: int, asked: int) -> None:
    assert value("passages_that_fit", context_tokens=context, chunk_tokens=chunk, max_input_tokens=asked) >= 1


@pytest.mark.parametrize(
    ("output", "can"),
    [
        ({"format": "json"}, True),
        ({"format": "sql"}, False),
        ({"format": "text", "pattern": "[0-9]+"}, True),
        ({"format": "label", "labels": ["a", "b"]}, True),
        ({"format": "yaml", "rarity": "rare"}, False),
        ({"format": "dsl"}, False),
        ({"format": "text"}, False),
        ({"format": "code"}, False),
    ],
)
def test_a_common_syntax_can_be_held_while_it_is_written(output: dict[str, Any], can: bool) -> None:
    assert board(task__output=output).get("constrainable") is can


# ---- a stronger model


def test_the_stronger_model_is_one_of_the_spec_before_one_of_the_catalog() -> None:
    models: list[dict[str, Any]] = [
        {"id": "HuggingFaceTB/SmolLM2-135M-Instruct"},
        {"id": "house-70b", "params": 70_000_000_000},
    ]
    found = with_answers(board(models=models), base_model=models[0]["id"], escalation="stronger-base")
    assert found.get("larger_candidates") == 1
    assert found.get("stronger_model") == "house-70b"


@pytest.mark.parametrize("memory_gb", [8, 24, 80])
def test_a_model_of_the_catalog_is_larger_free_for_the_use_and_held_when_one_is(memory_gb: float) -> None:
    from planner.catalog import find_model

    hardware = {"devices": [{"name": "Card", "memory_gb": memory_gb}]}
    small = "HuggingFaceTB/SmolLM2-135M-Instruct"
    found = board(models=[{"id": small}], hardware=hardware, constraints={"license_use": "commercial"})
    model = find_model(with_answers(found, base_model=small, escalation="stronger-base").get("stronger_model"))
    assert model.commercial_use
    assert model.params > 2 * 135_000_000
    assert model.params * 0.5 < memory_gb * 1.1e9


def test_nobody_looks_for_a_stronger_model_before_one_is_called_for() -> None:
    assert isinstance(with_answers(board(), base_model=LLAMA, escalation="none").get("stronger_model"), Unknown)
