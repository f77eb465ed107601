"""Licences of teachers and of the parts of a merge, by the catalog or by their names."""

from __future__ import annotations

from typing import Any

import pytest

from planner.facts import Unknown
from planner.planning import plan
from tests.planner.facts.boards import board, with_answers
from tests.planner.specs_after_training import SEVEN, finetuning, merging, sources

COMMERCIAL = {"license_use": "commercial"}
STUDENT = {"id": "student", "params": 500_000_000, "license": "apache-2.0", "role": "student"}


def parts(*licences: str | None, use: str = "commercial", base: str | None = "apache-2.0") -> Any:
    found = [{**source, "license": licence} for source, licence in zip(sources("a", "b"), licences, strict=True)]
    changes = merging(found, models=[SEVEN | ({"license": base} if base else {})], constraints={"license_use": use})
    return board(**changes)


def test_one_part_that_forbids_the_use_forbids_the_whole() -> None:
    assert parts("apache-2.0", "cc-by-nc-4.0").get("source_licence_forbids") is True
    assert parts("apache-2.0", "mit").get("source_licence_forbids") is False
    assert parts("apache-2.0", "cc-by-nc-4.0", use="research").get("source_licence_forbids") is False
    assert parts("apache-2.0", "mit", base="cc-by-nc-4.0").get("source_licence_forbids") is True, "so does the base's"


def test_a_part_without_a_licence_is_unknown_and_counted() -> None:
    found = parts("apache-2.0", None)
    assert isinstance(found.get("source_licence_forbids"), Unknown)
    assert found.get("sources_without_licence") == 1
    assert parts(None, "cc-by-nc-4.0").get("source_licence_forbids") is True, "one that forbids is enough"


def test_different_licences_are_counted_and_share_alike_is_seen() -> None:
    assert parts("Apache-2.0", "apache-2.0").get("merge_licences") == 1
    assert parts("apache-2.0", "mit").get("merge_licences") == 2
    assert parts("apache-2.0", "cc-by-sa-4.0").get("merge_share_alike") is True
    assert parts("apache-2.0", "mit").get("merge_share_alike") is False


def taught(licence: str, student: dict[str, Any] = STUDENT) -> Any:
    teacher = {"id": "teacher", "params": 70_000_000_000, "license": licence, "role": "teacher"}
    return with_answers(board(models=[teacher, student], constraints=COMMERCIAL), base_model="student")


@pytest.mark.parametrize(
    ("licence", "forbids", "name"),
    [
        ("Llama 2 Community", True, False),
        ("Llama 3 Community", True, False),
        ("llama3", True, False),
        ("Llama 3.1 Community", False, True),
        ("llama3.1", False, True),
        ("apache-2.0", False, False),
        ("cc-by-nc-4.0", True, False),
    ],
)
def test_a_teacher_may_forbid_to_learn_from_its_answers_or_ask_for_its_name(
    licence: str, forbids: bool, name: bool
) -> None:
    found = taught(licence)
    assert found.get("teacher_forbids") is forbids
    assert found.get("teacher_wants_name") is name


def test_a_student_under_the_teachers_own_licence_may_learn() -> None:
    assert taught("Llama 3 Community", STUDENT | {"license": "llama 3 community"}).get("teacher_forbids") is False


def test_without_a_teacher_there_is_nothing_to_forbid() -> None:
    assert isinstance(with_answers(board(models=[STUDENT]), base_model="student").get("teacher_forbids"), Unknown)


@pytest.mark.parametrize(("use", "expected"), [("commercial", "sft"), ("research", "distillation")])
def test_a_product_is_not_distilled_from_a_teacher_that_forbids_it(use: str, expected: str) -> None:
    teacher = {"id": "teacher", "params": 70_000_000_000, "license": "Llama 3 Community", "role": "teacher"}
    few = {"train": {"examples": 200}, "test": {"examples": 200}}
    document = plan(finetuning(models=[teacher, STUDENT], constraints={"license_use": use}, data=few))
    decision = document.decision("objective")
    assert decision is not None
    assert decision.answer == expected
    assert "LIW124" in {finding.code for finding in document.warnings}
