"""The rules that ship: their examples hold, their sources exist, nothing in them is idle."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from planner.catalog import reference_keys
from planner.facts import FACTS, INPUTS, PLAN_INPUTS, REVIEW_INPUTS, Board, Unknown, dependencies
from planner.rules import core_book, plan_table, review_book, review_table
from planner.rules.checks import learn_review_facts
from planner.rules.engine import trace_of
from planner.rules.reach import overlaps, repeated, unreachable
from planner.rules.table import join

if TYPE_CHECKING:
    from planner.rules import Book

learn_review_facts()
BOOK, REVIEW = core_book(), review_book()
BOOKS = (BOOK, REVIEW)
RULES = tuple(rule for book in BOOKS for rule in book.rules)
TABLE = plan_table()
ROWS = {row.rule.id: row for table in (TABLE, review_table()) for rows in table.rows.values() for row in rows}
ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"@([a-z][a-z0-9_]*)")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_fires_on_one_of_its_examples_and_does_not_fire_on_another(rule: object) -> None:
    row = ROWS[rule.id]  # type: ignore[attr-defined]
    read = {name for cells in row.rows for name, _ in cells}
    assert {example.holds for example in row.rule.examples} == {True, False}
    for example in row.rule.examples:
        assert example.given.keys() <= read, "an example gives what the rule does not read"
        unknown = {name: Unknown("the example does not give it") for name in (*read, str(row.rule.answer)[1:])}
        verdict = trace_of(row, Board(unknown | example.given)).verdict
        assert (verdict == "holds") == example.holds, example.given


def test_every_source_is_in_the_references() -> None:
    cited = {key for rule in RULES for key in rule.cite}
    cited |= {key for book in BOOKS for threshold in book.thresholds.values() for key in threshold.cite}
    cited |= {key for book in BOOKS for question in book.decisions.values() for key in question.cite}
    cited |= {key for fact in FACTS.values() for key in fact.cite}
    assert not cited - set(reference_keys())


def code_beside_the_rules() -> str:
    """The planner's Python, where thresholds and facts are read by name."""
    paths = sorted((ROOT / "planner").rglob("*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_every_threshold_is_used_and_says_why() -> None:
    named = {name for row in ROWS.values() for cells in row.rows for _, test in cells for name in test.thresholds}
    named |= {str(rule.answer)[1:] for rule in RULES if str(rule.answer).startswith("$")}
    named |= {str(item.default)[1:] for item in BOOK.decisions.values() if str(item.default).startswith("$")}
    code = code_beside_the_rules()
    thresholds = {name: item for book in BOOKS for name, item in book.thresholds.items()}
    assert not [name for name in thresholds if name not in named and f'"{name}"' not in code]
    assert all(threshold.why and threshold.unit and threshold.cite for threshold in thresholds.values())


def test_a_threshold_stands_in_one_book() -> None:
    assert not BOOK.thresholds.keys() & REVIEW.thresholds.keys()


def test_every_fact_is_looked_at() -> None:
    """Settings of a configuration are for rules of the user's own too: those need no rule that ships."""
    used = {name for rule in RULES for row in rule.rows for name in row}
    texts = [str(text) for rule in RULES for text in (rule.answer, rule.name, rule.fix)]
    texts += [str(question.default) for question in BOOK.decisions.values()]
    used |= {name for text in texts for name in NAMED.findall(text)}
    used |= {need for fact in FACTS.values() for need in fact.needs}
    code = code_beside_the_rules()
    idle = [name for name in FACTS if name not in used and f'"{name}"' not in code and not name.startswith("config_")]
    assert not idle


def test_a_fact_starts_from_what_one_of_the_tables_has() -> None:
    for name in FACTS:
        reached = dependencies([name], FACTS) & INPUTS
        assert reached <= PLAN_INPUTS or reached <= REVIEW_INPUTS, name


@pytest.mark.parametrize(("book", "inputs"), [(BOOK, PLAN_INPUTS), (REVIEW, REVIEW_INPUTS)], ids=["plan", "review"])
def test_no_row_of_the_books_is_idle(book: Book, inputs: frozenset[str]) -> None:
    joined = join((book,), inputs)
    questions, rows = joined.table.questions, joined.table.rows
    told = [*joined.problems, *overlaps(questions, rows), *unreachable(questions, rows, joined.names)]
    told += [problem for found in rows.values() for row in found for problem in repeated(row, joined.names)]
    assert not [str(problem) for problem in told]


def test_a_family_of_ids_belongs_to_one_part_of_the_books() -> None:
    families: dict[str, set[str]] = defaultdict(set)
    for rule in BOOK.rules:
        families[rule.decides].add(rule.id[:3])
    # Warnings are spread over files by topic, each with a family of its own.
    assert all(len(letters) == 1 for name, letters in families.items() if name != "warnings"), families
    files = {(rule.id[:3], BOOK.files[rule.id]) for rule in BOOK.rules}
    assert len({letters for letters, _ in files}) == len(files), "a family is spread over files"


def test_every_id_stands_once() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_a_veto_has_a_number_below_a_hundred_and_an_answer_one_above() -> None:
    assert all((int(rule.id[3:]) < 100) == bool(rule.vetoes) for rule in RULES)


def test_every_default_has_a_reason_that_reads_after_because() -> None:
    for name, question in (*BOOK.decisions.items(), *REVIEW.decisions.items()):
        assert question.because, name
        assert question.asks.endswith("?"), name
        assert not question.because.endswith("."), name
        assert question.policy == "collect" or question.default is not None, name


def test_every_name_reads_after_because() -> None:
    for rule in RULES:
        assert rule.since, rule.id
        assert not rule.name.endswith("."), rule.id
        assert rule.why.endswith("."), rule.id


def test_a_warning_says_what_to_do_and_how_bad_it_is() -> None:
    for rule in RULES:
        assert (rule.decides in ("warnings", "findings")) == (rule.severity is not None), rule.id
        assert rule.severity is None or rule.fix, rule.id


def test_no_fact_has_the_name_of_a_decision() -> None:
    assert not FACTS.keys() & (BOOK.decisions.keys() | REVIEW.decisions.keys())


def test_the_questions_of_the_design_are_all_asked() -> None:
    asked = {"approach", "retrieval", "objective", "base_model", "method", "precision", "distribution", "merge"}
    asked |= {"gradient_checkpointing", "micro_batch", "accumulation", "optimizer", "attention", "offload"}
    asked |= {"rank", "alpha", "learning_rate", "epochs", "effective_batch", "schedule", "warmup_ratio", "targets"}
    assert asked | {"quantization", "serving"} <= BOOK.decisions.keys()


DESIGNED = {
    "approach": "none prompt few-shot rag finetune rag+finetune merge",
    "retrieval": "none bm25 embedding hybrid",
    "objective": "sft continued-pretraining continued-pretraining+sft preference infilling long-context distillation "
    "classification-head",
    "method": "full partial lora qlora dora adapter bitfit ia3 prompt-tuning prefix-tuning p-tuning linear-probe "
    "galore",
    "distribution": "single ddp fsdp zero-2 zero-3 offload",
    "merge": "linear slerp task-arithmetic ties dare-linear dare-ties della passthrough depth-upscaling moe "
    "concatenation",
    "quantization": "none int8 int4 nf4 fp8 gptq awq gguf",
    "serving": "base merged adapters",
}


@pytest.mark.parametrize("name", DESIGNED)
def test_every_answer_of_the_design_can_be_given(name: str) -> None:
    assert set(DESIGNED[name].split()) <= set(BOOK.decisions[name].answers)


@pytest.mark.parametrize("name", DESIGNED)
def test_a_rule_or_the_default_gives_every_answer_of_the_design(name: str) -> None:
    given = {str(row.rule.answer) for row in TABLE.rows[name]} | {str(BOOK.decisions[name].default)}
    missing = set(DESIGNED[name].split()) - given
    # A fact such as the method that the spec names can be any of the words.
    assert not missing or any(answer.startswith("@") for answer in given), missing


def test_the_books_digest_follows_its_content(tmp_path: Path) -> None:
    assert BOOK.record().digest == core_book().digest
    assert BOOK.record().digest.startswith("sha256:")
