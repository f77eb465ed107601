"""Reads a plan's record: facts with their units, comparisons as numbers, sources, what was unknown."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from planner.catalog import CatalogError, reference
from planner.explanation.documents import Number, Source, Unknown
from planner.explanation.words import amount, missing_by, needed, share, short
from planner.facts import FACTS
from planner.rules.needing import opposite

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.documents import Cell, Decision, FactRecord, Plan, RuleTrace


class Record:
    """What a plan wrote down, by name."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @cached_property
    def facts(self) -> dict[str, FactRecord]:
        """The facts that the plan looked at."""
        return {fact.name: fact for fact in self.plan.facts}

    @cached_property
    def decisions(self) -> dict[str, Decision]:
        """The decisions by question."""
        return {decision.question: decision for decision in self.plan.decisions}

    def sources(self, keys: Iterable[str]) -> tuple[Source, ...]:
        """Citation keys with what they stand for, each once; a rule book of the user's own brings its own."""
        own = {key: text for book in self.plan.rule_books for key, text in book.references.items()}
        return tuple(Source(key=key, text=own.get(key) or source_text(key)) for key in dict.fromkeys(keys))

    def says(self, name: str) -> str:
        """What a fact or decision is, in one sentence."""
        if name in FACTS:
            return FACTS[name].doc
        decision = self.decisions.get(name)
        return (decision.asks if decision else "") or f"{name.replace('_', ' ').capitalize()}."

    def whole(self, name: str) -> FactRecord | None:
        """The size that a share is a share of, where the plan knows it."""
        return self.facts.get(_whole_of(name)) if _whole_of(name) else None

    def number(self, cell: Cell, *, against: bool = False) -> Number:
        """A comparison as people read it; `against`: the comparison that would have to hold to break this one."""
        if against:
            cell = cell.model_copy(update={"test": opposite(cell), "verdict": "fails"})
        record = self.facts.get(cell.fact)
        unit = record.unit if record else ""
        whole = self.whole(cell.fact)
        size = whole.value if whole and isinstance(whole.value, int | float) else None
        whole_unit = whole.unit if whole else ""
        found = amount(cell.value, unit)
        if size is not None and isinstance(cell.value, int | float):
            found = share(cell.value, size, whole_unit)
        gap = missing_by(cell.test, cell.value) if cell.verdict == "fails" else None
        unknown = (record.unknown if record else None) or "it has no answer"
        return Number(
            fact=cell.fact,
            says=self.says(cell.fact),
            value=cell.value,
            unit=unit,
            found="not known" if cell.verdict == "unknown" else found,
            test=cell.test,
            thresholds=cell.thresholds,
            needed=needed(cell.test, unit, size, whole_unit),
            verdict=cell.verdict,
            difference=gap[0] if gap else None,
            ratio=gap[1] if gap else None,
            short=short(gap[0], unit, size, whole_unit) if gap else "",
            unknown=unknown if cell.verdict == "unknown" else "",
        )

    def unknown(self, decision: Decision) -> tuple[Unknown, ...]:
        """The facts that a decision asked for and did not get."""
        opened: dict[str, list[RuleTrace]] = {}
        for trace in decision.trace:
            if trace.verdict == "unknown":
                for cell in (cell for cells in trace.rows for cell in cells if cell.verdict == "unknown"):
                    opened.setdefault(cell.fact, []).append(trace)
            elif trace.verdict == "holds" and trace.value is None and str(trace.answer).startswith("@"):
                opened.setdefault(str(trace.answer)[1:], []).append(trace)
        rules = [trace.rule for trace in decision.trace]
        turn = rules.index(decision.rule) if decision.rule in rules else len(rules)
        return tuple(
            Unknown(
                fact=name,
                says=self.says(name),
                reason=(self.facts[name].unknown if name in self.facts else None) or "it has no answer",
                rules=tuple(dict.fromkeys(trace.rule for trace in found)),
                answers=tuple({str(trace.answer): trace.answer for trace in found}.values()),
                matters=any(_could_change(decision, trace, is_ahead=rules.index(trace.rule) < turn) for trace in found),
            )
            for name, found in sorted(opened.items())
        )


def _could_change(decision: Decision, trace: RuleTrace, *, is_ahead: bool) -> bool:
    """Whether a rule, had it held, would have changed the answer."""
    if trace.tier == "veto":
        return isinstance(trace.answer, list) and decision.answer in trace.answer
    if isinstance(decision.answer, list):
        return trace.answer not in decision.answer
    return is_ahead and decision.tier != "pin" and trace.answer != decision.answer


def _whole_of(name: str, depth: int = 4) -> str:
    """The fact in bytes that a share is a share of: the one that its formula divides by, or that of its parts."""
    entry = FACTS.get(name)
    if entry is None or entry.unit != "fraction" or not depth:
        return ""
    wholes = [need for need in entry.needs if need in FACTS and FACTS[need].unit == "bytes"]
    parts = {_whole_of(need, depth - 1) for need in entry.needs} - {""}
    return wholes[0] if len(wholes) == 1 else next(iter(parts)) if len(parts) == 1 and not wholes else ""


def source_text(key: str) -> str:
    """What a citation key of the catalog stands for; the key itself when it is not there."""
    try:
        return str(reference(key))
    except CatalogError:
        return key
