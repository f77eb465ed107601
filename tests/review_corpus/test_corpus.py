"""Every planted fault is found, nothing is raised on clean configurations, and the published table says what is so."""

from __future__ import annotations

import pytest

from planner.review.baseline import GONE
from planner.review.suppression import NO_REASON, UNKNOWN_CODE, UNUSED
from planner.rules import core_book, review_book
from tests.review_corpus.corpus import CODES, FAULTS, FOLDER, RULE, Case, cases, confusion, raised, reviewed
from tests.review_corpus.table import PAGE, page

TOOLS = {"llamafactory": "llama-factory", "spec": "adapt-spec"}
# Read by the configurations, not reviewed themselves.
BESIDE = {"data", "handbook"}
FAULTY = [pytest.param(case, id=case.name) for case in cases() if case.plants]
CLEAN = [pytest.param(case, id=case.name) for case in cases() if not case.plants]


@pytest.mark.parametrize("case", FAULTY)
def test_every_planted_fault_is_found(case: Case) -> None:
    assert not case.plants - raised(case), [str(finding) for finding in reviewed(case).findings]


@pytest.mark.parametrize("case", FAULTY)
def test_no_other_fault_is_raised_on_a_file_with_faults(case: Case) -> None:
    assert not raised(case) - case.plants, [str(finding) for finding in reviewed(case).at_least("warning")]


@pytest.mark.parametrize("case", CLEAN)
def test_nothing_of_weight_is_raised_on_a_clean_file(case: Case) -> None:
    assert not [f"{finding.code} {finding}" for finding in reviewed(case).at_least("warning")]
    assert len(reviewed(case).files) == 1


@pytest.mark.parametrize("case", [*FAULTY, *CLEAN])
def test_every_file_is_recognised_as_what_it_is(case: Case) -> None:
    (file,) = reviewed(case).files
    named = case.path.relative_to(FOLDER).parts[1].split("-")[0].split(".")[0]
    assert file.tool == ("adapt-plan" if case.is_planned else TOOLS.get(named, named))
    assert file.recognised_by


def test_the_manifest_names_every_file_and_every_fault_is_planted_somewhere() -> None:
    here = {path for kind in ("faulty", "clean") for path in (FOLDER / kind).rglob("*") if path.is_file()}
    reviewable = {path for path in here if not BESIDE & set(path.relative_to(FOLDER).parts)}
    assert reviewable == {case.path for case in cases()}
    assert set(FAULTS) == set(CODES) == {fault for case in cases() for fault in case.plants}
    assert len(FAULTY) >= 20
    assert len(CLEAN) >= 12


def test_every_rule_that_page_and_manifest_name_exists() -> None:
    known = {rule.id for book in (core_book(), review_book()) for rule in book.rules}
    known |= {NO_REASON, UNKNOWN_CODE, UNUSED, GONE, "DATA030"}
    named = set(RULE.findall(PAGE.read_text(encoding="utf-8")))
    assert len(named) >= 8
    assert named | {code for codes in CODES.values() for code in codes} <= known


def test_the_published_table_is_that_of_this_run() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run `python -m tests.review_corpus.table`, and look at what changed"
    assert all(f"| {FAULTS[row.fault]} | {row.found} | {row.missed} | {row.wrong} |" in text for row in confusion())
