"""What is known of data, hardware and models, and what is said to be unknown."""

from __future__ import annotations

from typing import Any

import pytest

from planner.facts import Board, Unknown
from planner.survey.data_survey import DataSurvey
from tests.planner.facts.boards import THRESHOLDS, board, lengths, surveyed, with_answers

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def test_declared_data_have_rows_and_a_mean_length_and_no_more() -> None:
    found = board()
    assert found.get("train_rows") == 5000
    assert found.get("validation_rows") == 500
    assert found.get("row_tokens") == 200
    assert found.get("data_quality") == "curated"
    assert found.get("longest_row_tokens") == Unknown("the length of the training rows is not known")
    assert found.get("duplicate_share") == Unknown("the training data are not at hand")


def test_data_that_are_not_there_count_as_no_rows_and_unknown_lengths() -> None:
    found = board(data={})
    for name in ("train_rows", "preference_rows", "document_rows", "validation_rows", "training_rows"):
        assert found.get(name) == 0
    for name in ("row_tokens", "longest_row_tokens", "longest_answer_tokens", "data_quality", "evaluation_rows"):
        assert isinstance(found.get(name), Unknown)


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ({"train": {"examples": 3}, "preferences": {"examples": 9}}, 3),
        ({"preferences": {"examples": 9}, "documents": {"examples": 70}}, 9),
        ({"documents": {"examples": 70}}, 70),
    ],
)
def test_training_looks_at_labelled_rows_first_then_comparisons_then_documents(data: dict[str, Any], rows: int) -> None:
    assert board(data=data).get("training_rows") == rows


def test_data_that_were_read_have_lengths_and_duplicates() -> None:
    train = DataSurvey(
        role="train", source="file", rows=40, duplicates=4, tokens=lengths(90, 300), completion_tokens=lengths(20, 55)
    )
    found = Board({"survey": surveyed(train=train), "thresholds": THRESHOLDS})
    assert found.get("longest_row_tokens") == 300
    assert found.get("longest_answer_tokens") == 55
    assert found.get("duplicate_share") == pytest.approx(0.1)
    assert found.get("answer_tokens") == 800


@pytest.mark.parametrize(
    ("hardware", "expected"),
    [
        ({"devices": [{"name": "A100", "memory_gb": 80, "count": 4}], "nodes": 2}, ("cuda", 8, True)),
        ({"devices": [{"name": "T4", "memory_gb": 16}]}, ("cuda", 1, False)),
        ({"devices": [{"name": "CPU", "memory_gb": 0}], "host_memory_gb": 32}, ("cpu", 1, None)),
    ],
)
def test_hardware_is_read_from_its_record(hardware: dict[str, Any], expected: tuple[str, int, bool | None]) -> None:
    found = board(hardware=hardware, models=[{"id": "gpt2"}])
    kind, count, bf16 = expected
    assert (found.get("device_kind"), found.get("device_count")) == (kind, count)
    value = found.get("bf16_supported")
    assert isinstance(value, Unknown) if bf16 is None else value is bf16


def test_the_memory_of_a_processor_that_nobody_told_is_unknown() -> None:
    found = board(hardware={"devices": [{"name": "CPU", "memory_gb": 0}]}, models=[{"id": "gpt2"}])
    assert isinstance(found.get("device_memory_bytes"), Unknown)


def strongest(memory_gb: float, *models: dict[str, Any], **more: Any) -> str:
    hardware = {"devices": [{"name": "Card", "memory_gb": memory_gb}]}
    return str(board(hardware=hardware, models=list(models), **more).get("strongest_model"))


BIG, SMALL = {"id": "big", "params": 70_000_000_000}, {"id": "small", "params": 7_000_000_000}


def test_the_base_is_the_largest_candidate_that_the_device_holds() -> None:
    assert strongest(80, SMALL, BIG) == "big"
    assert strongest(24, SMALL, BIG) == "small"
    assert strongest(1, SMALL, BIG) == "small", "when nothing fits, the smallest is nearest"


def test_a_teacher_is_not_trained_and_a_student_is() -> None:
    assert strongest(200, BIG | {"role": "teacher"}, SMALL | {"role": "student"}) == "small"
    assert strongest(200, BIG | {"role": "draft"}, SMALL) == "small"


@pytest.mark.parametrize("licence", ["CC-BY-NC-4.0", "cc-by-nc-sa-4.0", "research-only", "Non-Commercial licence"])
def test_a_licence_is_known_by_its_name(licence: str) -> None:
    use = {"constraints": {"license_use": "commercial"}}
    assert strongest(80, BIG | {"license": licence}, SMALL | {"license": "apache-2.0"}, **use) == "small"
    assert strongest(80, BIG | {"license": licence}, SMALL) == "big"


@pytest.mark.parametrize(
    ("licence", "use", "forbids"),
    [("apache-2.0", "commercial", False), ("cc-by-nc-4.0", "commercial", True), ("cc-by-nc-4.0", "research", False)],
)
def test_whether_a_licence_forbids_depends_on_the_use(licence: str, use: str, forbids: bool) -> None:
    found = board(models=[SMALL | {"license": licence}], constraints={"license_use": use})
    assert with_answers(found, base_model="small").get("licence_forbids") is forbids


def test_a_licence_that_nobody_named_is_unknown() -> None:
    found = board(models=[SMALL], constraints={"license_use": "commercial"})
    assert isinstance(with_answers(found, base_model="small").get("licence_forbids"), Unknown)


def test_a_model_of_the_catalog_is_known_in_full() -> None:
    found = with_answers(board(), base_model=LLAMA)
    assert found.get("hidden_size") == 4096
    assert found.get("model_family") == "llama"
    assert found.get("context_tokens") == 131072
    assert found.get("release_dtype") == "bf16"
    assert found.get("model_parameters") == pytest.approx(8.03e9, rel=0.01)
    assert found.get("model_files") == "catalog"


def test_a_model_of_a_size_alone_has_no_family_and_no_context() -> None:
    found = with_answers(board(models=[SMALL]), base_model="small")
    assert found.get("model_parameters") == 7_000_000_000
    for name in ("model_family", "context_tokens", "release_dtype"):
        assert isinstance(found.get(name), Unknown)
