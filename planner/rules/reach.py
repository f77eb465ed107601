"""What rows can ever do: which of them meet, which stand behind another for good, which say nothing new."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from planner.rules.problems import of_rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from planner.documents import Finding
    from planner.rules.book import Question
    from planner.rules.columns import Cells, Names, Row


def meet(left: Cells, right: Cells) -> bool:
    """Whether one state of the facts can pass both rows of cells, as far as can be shown."""
    others = dict(right)
    return not any(name in others and test.disjoint(others[name]) for name, test in left)


def implies(left: Cells, right: Cells, names: Names) -> bool:
    """Whether every state of the facts that passes the left cells passes the right ones; False when not shown."""
    known = dict(left)
    return all(name in known and known[name].implies(test, names.words(name)) for name, test in right)


def overlaps(questions: Mapping[str, Question], rows: Mapping[str, Sequence[Row]]) -> list[Finding]:
    """Pairs of rules of a `unique` decision that one state of the facts would fire together."""
    return [
        of_rule(one.rule, f"it and {two.rule.id} can both match, but `{name}` takes one.", "Tell them apart by a cell.")
        for name, question in questions.items()
        if question.policy == "unique"
        for one, two in combinations([row for row in rows[name] if row.tier != "veto"], 2)
        if any(meet(left, right) for left in one.rows for right in two.rows)
    ]


def repeated(row: Row, names: Names) -> list[Finding]:
    """Alternatives of one rule of which one says all that the other says."""
    problems = []
    for one, two in combinations(range(len(row.rows)), 2):
        for wide, narrow in ((one, two), (two, one)):
            if implies(row.rows[narrow], row.rows[wide], names):
                message = f"its alternative {narrow + 1} holds only where alternative {wide + 1} holds too."
                problems.append(of_rule(row.rule, message, "Take it out.", code="BOOK013"))
                break
    return problems


def unreachable(
    questions: Mapping[str, Question], rows: Mapping[str, Sequence[Row]], names: Names
) -> Iterable[Finding]:
    """Rows of one book that can never answer, because an earlier one of it always answers when they hold."""
    for name, question in questions.items():
        if question.policy != "first":
            continue
        found = rows[name]
        forbidden = {word for row in found for word in row.rule.vetoes}
        answering = [row for row in found if row.tier != "veto"]
        for place, late in enumerate(answering):
            before = [row for row in answering[:place] if row.tier == late.tier and _answers(row, late, forbidden)]
            for number, cells in enumerate(late.rows):
                earlier = next((row for row in before if any(implies(cells, wide, names) for wide in row.rows)), None)
                if earlier is None:
                    continue
                which = f"its alternative {number + 1}" if len(late.rows) > 1 else "it"
                message = f"{which} can never answer `{name}`: {earlier.rule.id} always answers first."
                fix = "Put it before that rule, or tell them apart by a cell."
                yield of_rule(late.rule, message, fix, code="BOOK013")


def _answers(early: Row, late: Row, forbidden: set[str]) -> bool:
    """Whether the early rule, when it holds, leaves nothing to the late one: no veto and no unknown takes it out."""
    if early.rule.answer == late.rule.answer:
        return True
    is_fact = isinstance(early.rule.answer, str) and early.rule.answer.startswith("@")
    return not is_fact and early.rule.answer not in forbidden
