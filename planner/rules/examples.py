"""The examples of a rule are its tests: each gives facts, and says whether the rule then holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.rules.book import shown
from planner.rules.problems import of_rule

if TYPE_CHECKING:
    from planner.documents import Finding
    from planner.documents.decision import Verdict
    from planner.rules.book import Example
    from planner.rules.columns import Row


def verdict(row: Row, example: Example) -> Verdict:
    """How a rule comes out on the facts of an example; what it does not give is unknown."""
    found: list[Verdict] = []
    for cells in row.rows:
        results = [name not in example.given or test.holds(example.given[name]) for name, test in cells]
        if not all(results):
            found.append("fails")
        else:
            found.append("holds" if all(name in example.given for name, _ in cells) else "unknown")
    return "holds" if "holds" in found else "unknown" if "unknown" in found else "fails"


def comes_out(row: Row, example: Example) -> bool:
    """Whether an example is as it says."""
    return (verdict(row, example) == "holds") == example.holds


def wrong_examples(row: Row) -> list[Finding]:
    """Examples that do not come out as they say, or give what the rule does not read; and one of each kind."""
    rule = row.rule
    read = {name for cells in row.rows for name, _ in cells}
    problems = []
    for number, example in enumerate(rule.examples, start=1):
        given = ", ".join(f"{name} = {shown(value)}" for name, value in example.given.items()) or "nothing"
        for name in example.given.keys() - read:
            message = f"example {number} gives `{name}`, which the rule does not read."
            problems.append(of_rule(rule, message, "Take it out, or add the column.", code="BOOK014"))
        if not comes_out(row, example):
            said = "holds" if example.holds else "does not hold"
            found = {"holds": "holds", "fails": "does not hold", "unknown": "is not known to hold"}[
                verdict(row, example)
            ]
            message = f"example {number} says that the rule {said}, but with {given} it {found}."
            problems.append(of_rule(rule, message, "Correct the example or the rule.", code="BOOK014"))
    always = any(not cells for cells in row.rows)
    for holds in (True, False):
        if not any(example.holds == holds for example in rule.examples) and not (always and not holds):
            wanted = "holds" if holds else "does not hold"
            fix = f"Add one with `holds = {shown(holds)}`."
            problems.append(of_rule(rule, f"it has no example in which it {wanted}.", fix, code="BOOK014"))
    return problems
