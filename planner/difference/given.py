"""What two plans were given: spec, hardware, files and models, rule books and their rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.difference.document import Change
from planner.difference.values import differing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.documents import Plan, RuleBook, RuleTrace

# The state of the machine: it differs from day to day, and no other plan follows from it alone.
PASSING = ("/disk_bytes", "/cores")


def given_changes(old: Plan, new: Plan) -> tuple[Change, ...]:
    """Every input that differs, in the order in which a plan is made."""
    return (*_spec(old, new), *_hardware(old, new), *_pins(old, new), *_books(old, new), *_rules(old, new))


def _spec(old: Plan, new: Plan) -> Iterator[Change]:
    for pointer, one, two in differing(old.spec.to_json(), new.spec.to_json()):
        yield Change(part="spec", pointer=pointer, old=one, new=two)


def _hardware(old: Plan, new: Plan) -> Iterator[Change]:
    for pointer, one, two in differing(old.hardware.to_json(), new.hardware.to_json()):
        unit = "bytes" if pointer.endswith("_bytes") else ""
        yield Change(part="hardware", pointer=pointer, old=one, new=two, unit=unit, matters=pointer not in PASSING)


def _pins(old: Plan, new: Plan) -> Iterator[Change]:
    for name in dict.fromkeys((*old.pins, *new.pins)):
        one, two = old.pins.get(name), new.pins.get(name)
        if one is None or two is None:
            shown = tuple(pin.path if pin else None for pin in (one, two))
            yield Change(part="pin", pointer=name, old=shown[0], new=shown[1])
            continue
        for pointer, before, after in differing(one.to_json(), two.to_json()):
            yield Change(part="pin", pointer=f"{name}{pointer}", old=before, new=after)


def _books(old: Plan, new: Plan) -> Iterator[Change]:
    books = [{book.name: book for book in plan.rule_books} for plan in (old, new)]
    for name in dict.fromkeys((*books[0], *books[1])):
        one, two = (each.get(name) for each in books)
        if one is None or two is None or one.digest != two.digest:
            yield Change(part="rule book", pointer=name, old=_of(one, "version"), new=_of(two, "version"))
            told = [set(book.changes) if book else set() for book in (one, two)]
            for line in sorted(told[0] ^ told[1]):
                sides = (line, None) if line in told[0] else (None, line)
                yield Change(part="threshold", pointer=name, old=sides[0], new=sides[1])


def _rules(old: Plan, new: Plan) -> Iterator[Change]:
    """Rules that are new or gone, and comparisons with another number: seen in the records of both plans."""
    before, after = traces(old), traces(new)
    for rule in dict.fromkeys((*before, *after)):
        one, two = before.get(rule), after.get(rule)
        if one is None or two is None:
            yield Change(part="rule", pointer=rule, old=_of(one, "name"), new=_of(two, "name"))
        elif conditions(one) != conditions(two):
            yield Change(part="rule", pointer=rule, old=conditions(one), new=conditions(two))
        elif one.answer != two.answer:
            yield Change(part="rule", pointer=f"{rule}/answer", old=one.answer, new=two.answer)


def _of(item: RuleBook | RuleTrace | None, field: str) -> str | None:
    return getattr(item, field) if item is not None else None


def traces(plan: Plan) -> dict[str, RuleTrace]:
    """Every rule that a plan looked at, by id."""
    return {trace.rule: trace for decision in plan.decisions for trace in decision.trace}


def conditions(trace: RuleTrace) -> str:
    """The conditions of a rule in one line, thresholds as numbers."""
    return " or ".join(" and ".join(f"{cell.fact} {cell.test}" for cell in row) for row in trace.rows)
