"""Which rows can ever answer: one test implied by another, rows that stand behind others, alternatives that repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from planner.facts import PLAN_INPUTS
from planner.rules import table as table_module
from planner.rules.reach import implies, repeated, unreachable
from planner.rules.reading import read_user_book
from planner.rules.table import Joined, join
from tests.planner.rules.books import HEAD, decision, facts_of, rule
from tests.planner.rules.test_cells import LINE, flags, tests, word_tests

if TYPE_CHECKING:
    from pathlib import Path

    from planner.rules.cells import Test as Comparison

WORDS = ("a", "b", "rag+finetune", "int8")


@given(tests, tests)
def test_a_test_implies_another_when_all_that_pass_it_pass_the_other(one: Comparison, two: Comparison) -> None:
    passing = [value for value in LINE if one.holds(value)]
    really = all(two.holds(value) for value in passing)
    if one.implies(two):
        assert really
    elif one.op != "!=" and two.op not in ("=", "in"):
        assert not really


@given(word_tests, word_tests)
def test_words_are_implied_by_what_is_left_of_them(one: Comparison, two: Comparison) -> None:
    really = all(two.holds(word) for word in WORDS if one.holds(word))
    assert one.implies(two, WORDS) == really
    if one.implies(two):
        assert really


@given(flags, flags)
def test_yes_and_not_no_are_the_same(one: Comparison, two: Comparison) -> None:
    assert one.implies(two) == all(two.holds(value) for value in (True, False) if one.holds(value))


@given(tests | word_tests | flags)
def test_a_test_implies_itself_and_nothing_that_it_excludes(test: Comparison) -> None:
    assert test.implies(test)


@given(tests, tests)
def test_what_is_implied_is_not_disjoint(one: Comparison, two: Comparison) -> None:
    assume(any(one.holds(value) for value in LINE))
    assert not (one.implies(two) and one.disjoint(two))


cells = st.dictionaries(st.sampled_from(["size", "speed"]), tests, max_size=2)


@given(cells, cells)
def test_a_row_implies_another_only_where_the_facts_say_so(
    left: dict[str, Comparison], right: dict[str, Comparison]
) -> None:
    class NoWords:
        def words(self, name: str) -> tuple[str, ...]:
            return ()

    if not implies(tuple(left.items()), tuple(right.items()), NoWords()):  # type: ignore[arg-type]
        return
    line = LINE[::4]
    for size in line:
        for speed in line:
            state = {"size": size, "speed": speed}
            if all(test.holds(state[name]) for name, test in left.items()):
                assert all(test.holds(state[name]) for name, test in right.items())


class Reach:
    """What is told of a small book."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(table_module, "FACTS", facts_of())
        self._path = folder / "book.toml"

    def joined(self, *parts: str) -> Joined:
        self._path.write_text(HEAD + "".join(parts), encoding="utf-8")
        book, found, _ = read_user_book(self._path)
        assert not found
        joined = join((book,), PLAN_INPUTS)
        assert not joined.problems
        return joined

    def unreachable(self, *parts: str) -> list[str]:
        joined = self.joined(*parts)
        return [item.message for item in unreachable(joined.table.questions, joined.table.rows, joined.names)]

    def repeated(self, *parts: str) -> list[str]:
        joined = self.joined(*parts)
        rows = [row for found in joined.table.rows.values() for row in found]
        return [item.message for row in rows for item in repeated(row, joined.names)]


@pytest.fixture
def reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reach:
    return Reach(tmp_path, monkeypatch)


CHOICE = decision("choice")
B = 'answer = "b"'


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ('{ size = "> 3" }', '{ size = "> 5" }'),
        ('{ size = "> 3" }', '{ size = "> 3" }'),
        ('{ size = ">= 3" }', '{ size = "4..9", ready = true }'),
        ("{}", '{ colour = "red" }'),
        ("{}", "{}"),
        ('{ colour = "!= red" }', '{ colour = "in [blue, green]" }'),
        ("{ ready = true }", '{ ready = "!= false", size = 3 }'),
        ('[{ size = "< 1" }, { size = "> 3" }]', '{ size = "> 4" }'),
    ],
)
def test_a_row_behind_one_that_always_holds_first_is_told(reach: Reach, early: str, late: str) -> None:
    [message] = reach.unreachable(CHOICE, rule(1, early), rule(2, late, B))
    assert message == "Rule TST002: it can never answer `choice`: TST001 always answers first."


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ('{ size = "> 5" }', '{ size = "> 3" }'),
        ('{ size = "> 3" }', '{ size = ">= 3" }'),
        ('{ size = "> 3", ready = true }', '{ size = "> 5" }'),
        ('{ size = "> 3" }', '{ speed = "> 5" }'),
        ('{ colour = "red" }', "{}"),
        ('{ colour = "in [blue, green]" }', '{ colour = "!= red" }'),
    ],
)
def test_a_row_that_is_sometimes_first_is_not_told(reach: Reach, early: str, late: str) -> None:
    assert not reach.unreachable(CHOICE, rule(1, early), rule(2, late, B))


def test_of_several_alternatives_the_idle_one_is_named(reach: Reach) -> None:
    late = rule(2, '[{ ready = true }, { size = "> 5" }]', B)
    [message] = reach.unreachable(CHOICE, rule(1, '{ size = "> 3" }'), late)
    assert message.startswith("Rule TST002: its alternative 2 can never answer")


def test_a_rule_behind_one_whose_answer_can_be_forbidden_may_still_answer(reach: Reach) -> None:
    veto = rule(3, "{ ready = true }", 'vetoes = ["a"]')
    rules = rule(1, '{ size = "> 3" }'), rule(2, '{ size = "> 3" }', B)
    assert not reach.unreachable(CHOICE, *rules, veto)
    assert reach.unreachable(CHOICE, *rules)
    same = rule(1, '{ size = "> 3" }'), rule(2, '{ size = "> 3" }')
    assert reach.unreachable(CHOICE, *same, veto), "the same answer is forbidden too"


def test_a_rule_behind_one_whose_fact_may_be_unknown_may_still_answer(reach: Reach) -> None:
    words = decision("choice", '"number"')
    rules = rule(1, "{ ready = true }", 'answer = "@size"'), rule(2, "{ ready = true }", "answer = 3")
    assert not reach.unreachable(words, *rules)


def test_rules_that_collect_stand_behind_nothing(reach: Reach) -> None:
    collect = decision("choice", more='policy = "collect"')
    assert not reach.unreachable(collect, rule(1, "{}"), rule(2, "{ ready = true }", B))


def test_vetoes_stand_behind_nothing_and_nothing_behind_them(reach: Reach) -> None:
    rules = rule(1, "{}", 'vetoes = ["c"]'), rule(2, "{}", 'vetoes = ["b"]'), rule(3, "{ ready = true }")
    assert not reach.unreachable(CHOICE, *rules)


@pytest.mark.parametrize(
    ("when", "which"),
    [
        ('[{ size = "> 3" }, { size = "> 3" }]', "alternative 2 holds only where alternative 1 holds too"),
        ('[{ size = "> 3" }, { size = "> 4", ready = true }]', "alternative 2 holds only where alternative 1"),
        ('[{ size = "> 4" }, { size = "> 3" }]', "alternative 1 holds only where alternative 2"),
        ("[{ ready = true }, {}]", "alternative 1 holds only where alternative 2"),
    ],
)
def test_an_alternative_that_says_nothing_new_is_told(reach: Reach, when: str, which: str) -> None:
    [message] = reach.repeated(CHOICE, rule(1, when))
    assert which in message


def test_alternatives_that_overlap_are_fine(reach: Reach) -> None:
    assert not reach.repeated(CHOICE, rule(1, '[{ size = "> 3" }, { size = "< 5" }, { ready = true }]'))
