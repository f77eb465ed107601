"""The rules that ship: their examples hold, their sources exist, nothing in them is idle."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from planner.catalog import reference_keys
from planner.facts import FACTS, Board, Unknown
from planner.rules import compile_books, core_book
from planner.rules.engine import trace_of

BOOK = core_book()
TABLE = compile_books((BOOK,))
ROWS = {row.rule.id: row for rows in TABLE.rows.values() for row in rows}
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("rule", BOOK.rules, ids=lambda rule: rule.id)
def test_the_examples_of_a_rule_hold_as_written(rule: object) -> None:
    row = ROWS[rule.id]  # type: ignore[attr-defined]
    read = {name for cells in row.rows for name, _ in cells}
    assert {example.holds for example in row.rule.examples} == {True, False}
    for example in row.rule.examples:
        assert example.given.keys() <= read, "an example gives what the rule does not read"
        unknown = {name: Unknown("the example does not give it") for name in (*read, str(row.rule.answer)[1:])}
        verdict = trace_of(row, Board(unknown | example.given)).verdict
        assert (verdict == "holds") == example.holds, example.given


def test_every_source_is_in_the_references() -> None:
    cited = {key for rule in BOOK.rules for key in rule.cite}
    cited |= {key for threshold in BOOK.thresholds.values() for key in threshold.cite}
    cited |= {key for question in BOOK.decisions.values() for key in question.cite}
    cited |= {key for fact in FACTS.values() for key in fact.cite}
    assert not cited - set(reference_keys())


def test_every_threshold_is_used_and_says_why() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "planner" / "rules" / "core").glob("*.toml"))
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("facts", "ladder")
        for path in (ROOT / "planner" / folder).glob("*.py")
    )
    code += (ROOT / "planner" / "budget.py").read_text(encoding="utf-8")
    idle = [
        name for name in BOOK.thresholds if not re.search(rf"\${name}\b", text) and not re.search(rf'"{name}"', code)
    ]
    assert not idle
    assert all(threshold.why and threshold.unit and threshold.cite for threshold in BOOK.thresholds.values())


def test_a_family_of_ids_belongs_to_one_part_of_the_books() -> None:
    families: dict[str, set[str]] = defaultdict(set)
    for rule in BOOK.rules:
        families[rule.decides].add(rule.id[:3])
    # Warnings are spread over files by topic, each with a family of its own.
    assert all(len(letters) == 1 for name, letters in families.items() if name != "warnings"), families
    files = {(rule.id[:3], BOOK.files[rule.id]) for rule in BOOK.rules}
    assert len({letters for letters, _ in files}) == len(files), "a family is spread over files"


def test_every_id_stands_once() -> None:
    assert len({rule.id for rule in BOOK.rules}) == len(BOOK.rules)


def test_a_veto_has_a_number_below_a_hundred_and_an_answer_one_above() -> None:
    assert all((int(rule.id[3:]) < 100) == bool(rule.vetoes) for rule in BOOK.rules)


def test_every_default_has_a_reason_that_reads_after_because() -> None:
    for name, question in BOOK.decisions.items():
        assert question.because, name
        assert question.asks.endswith("?"), name
        assert not question.because.endswith("."), name
        assert question.policy == "collect" or question.default is not None, name


def test_every_name_reads_after_because() -> None:
    for rule in BOOK.rules:
        assert not rule.name.endswith("."), rule.id
        assert rule.why.endswith("."), rule.id


def test_a_warning_says_what_to_do_and_how_bad_it_is() -> None:
    for rule in BOOK.rules:
        assert (rule.decides == "warnings") == (rule.severity is not None), rule.id
        assert rule.decides != "warnings" or rule.fix, rule.id


def test_no_fact_has_the_name_of_a_decision() -> None:
    assert not FACTS.keys() & BOOK.decisions.keys()


def test_the_questions_of_the_design_are_all_asked() -> None:
    asked = {"approach", "retrieval", "objective", "base_model", "method", "precision", "distribution", "merge"}
    assert asked | {"quantization", "serving"} <= BOOK.decisions.keys()


def test_the_books_digest_follows_its_content(tmp_path: Path) -> None:
    assert BOOK.record().digest == core_book().digest
    assert BOOK.record().digest.startswith("sha256:")
