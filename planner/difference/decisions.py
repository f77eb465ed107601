"""Questions that two plans answer otherwise: both answers with their reasons, and what made the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.difference.document import Answer, Cause, DecisionChange, FactChange
from planner.difference.given import conditions
from planner.difference.values import said
from planner.facts import FACTS, dependencies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.documents import Decision, FactRecord, JsonValue, Plan, RuleTrace

# Its answers are findings, and those are compared on their own.
LISTED_ELSEWHERE = frozenset({"warnings"})


def decision_changes(old: Plan, new: Plan) -> tuple[DecisionChange, ...]:
    """Every question with another answer, in the order of the newer plan; questions that are no longer asked last."""
    before = {item.question: item for item in old.decisions if item.question not in LISTED_ELSEWHERE}
    after = {item.question: item for item in new.decisions if item.question not in LISTED_ELSEWHERE}
    names = [
        name
        for name in dict.fromkeys((*after, *before))
        if name not in before or name not in after or before[name].answer != after[name].answer
    ]
    comparison = _Comparison(old, new, frozenset(names))
    return tuple(comparison.change(name, before.get(name), after.get(name)) for name in names)


class _Comparison:
    """Two plans, and the questions that they answer otherwise."""

    def __init__(self, old: Plan, new: Plan, changed: frozenset[str]) -> None:
        self.old, self.new, self.changed = old, new, changed
        self._before = {fact.name: fact for fact in old.facts}
        self._after = {fact.name: fact for fact in new.facts}

    def change(self, question: str, old: Decision | None, new: Decision | None) -> DecisionChange:
        """One question with its answers, the facts that made the difference, and the causes."""
        if old is None or new is None:
            word = "is not asked any more" if new is None else "was not asked before"
            cause = Cause(kind="rule", name=question, text=f"{question} {word}")
            return DecisionChange(question=question, old=_answer(old), new=_answer(new), causes=(cause,))
        facts = tuple(self._facts(old, new))
        causes = (*self._pins(question), *_rules(old, new), *self._through(facts))
        if not causes:
            causes = tuple(self._elsewhere(old, new))
        return DecisionChange(
            question=question,
            old=_answer(old),
            new=_answer(new),
            facts=facts,
            causes=tuple(dict.fromkeys(causes)),
        )

    def _pins(self, question: str) -> Iterator[Cause]:
        one, two = (plan.spec.overrides.get(question) for plan in (self.old, self.new))
        if one != two:
            word = f"pins it to {said(two)}" if two is not None else f"no longer pins it to {said(one)}"
            yield Cause(kind="pin", name=f"/overrides/{question}", text=f"the spec {word}")

    def _facts(self, old: Decision, new: Decision) -> Iterator[FactChange]:
        """Facts of the deciding rules that came out otherwise."""
        seen: set[tuple[str, str]] = set()
        for before, after in _deciding(old, new):
            if before.verdict == after.verdict:
                continue
            tests = {(cell.fact, cell.test): cell for row in before.rows for cell in row}
            for cell in (cell for row in after.rows for cell in row):
                twin = tests.get((cell.fact, cell.test))
                if twin is None or twin.verdict == cell.verdict or (cell.fact, cell.test) in seen:
                    continue
                seen.add((cell.fact, cell.test))
                yield self._fact(cell.fact, twin.value, cell.value, cell.test)
        for name in dict.fromkeys(_computed(decision) for decision in (old, new)):
            one, two = _value(self._before.get(name)), _value(self._after.get(name))
            if name and one != two:
                yield self._fact(name, one, two, "")

    def _fact(self, name: str, old: JsonValue, new: JsonValue, test: str) -> FactChange:
        record = self._after.get(name) or self._before.get(name)
        through = [name] if name in self.changed else sorted(dependencies([name], FACTS) & self.changed)
        return FactChange(
            fact=name, unit=record.unit if record else "", old=old, new=new, test=test, through=tuple(through)
        )

    def _through(self, facts: tuple[FactChange, ...]) -> Iterator[Cause]:
        for fact in facts:
            for question in fact.through:
                yield Cause(kind="decision", name=question, text=f"{question} is answered otherwise")
            if not fact.through:
                text = f"{fact.fact} is {said(fact.new)} instead of {said(fact.old)}"
                yield Cause(kind="fact", name=fact.fact, text=text)

    def _elsewhere(self, old: Decision, new: Decision) -> Iterator[Cause]:
        """Where nothing else tells: every fact that the rules looked at and that has another value."""
        looked = [cell.fact for trace in (*old.trace, *new.trace) for row in trace.rows for cell in row]
        for name in dict.fromkeys(looked):
            if name in self.changed:
                yield Cause(kind="decision", name=name, text=f"{name} is answered otherwise")
            elif _value(self._before.get(name)) != _value(self._after.get(name)):
                text = f"{name} is {said(_value(self._after.get(name)))}"
                yield Cause(kind="fact", name=name, text=f"{text} instead of {said(_value(self._before.get(name)))}")


def _answer(decision: Decision | None) -> Answer | None:
    if decision is None:
        return None
    return Answer(answer=decision.answer, because=decision.because, tier=decision.tier, rule=decision.rule)


def _deciding(old: Decision, new: Decision) -> Iterator[tuple[RuleTrace, RuleTrace]]:
    """The rules that made the two answers, and vetoes that forbade one of them, as both plans recorded them."""
    before, after = ({trace.rule: trace for trace in decision.trace} for decision in (old, new))
    for rule in dict.fromkeys((*before, *after)):
        if rule not in before or rule not in after:
            continue
        pair = before[rule], after[rule]
        forbids = any(trace.tier == "veto" for trace in pair) and any(
            isinstance(trace.answer, list) and answer in trace.answer
            for trace in pair
            for answer in (old.answer, new.answer)
        )
        if rule in (old.rule, new.rule) or forbids:
            yield pair


def _rules(old: Decision, new: Decision) -> Iterator[Cause]:
    """The rules that answered and that only one plan has, or that look for something else."""
    before, after = ({trace.rule: trace for trace in decision.trace} for decision in (old, new))
    for rule in dict.fromkeys((old.rule, new.rule)):
        one, two = before.get(rule or ""), after.get(rule or "")
        if rule is None or (one is None and two is None):
            continue
        if one is None or two is None:
            yield Cause(kind="rule", name=rule, text=f"rule {rule} is {'new' if one is None else 'gone'}")
        elif conditions(one) != conditions(two):
            text = f"rule {rule} now asks for {conditions(two)}, and asked for {conditions(one)}"
            yield Cause(kind="threshold", name=rule, text=text)
        elif one.answer != two.answer:
            yield Cause(kind="rule", name=rule, text=f"rule {rule} answers otherwise")


def _computed(decision: Decision) -> str:
    """The fact that an answer was computed by; empty when the answer is a word of the rule."""
    rule = next((trace for trace in decision.trace if trace.rule == decision.rule), None)
    word = rule.answer if rule is not None else _default(decision) if decision.tier == "default" else None
    return word[1:] if isinstance(word, str) and word.startswith("@") else ""


def _default(decision: Decision) -> JsonValue:
    """What the core answers by default: a plan's record names the rules, and this is none."""
    from planner.rules import core_book

    question = core_book().decisions.get(decision.question)
    return question.default if question is not None else None


def _value(record: FactRecord | None) -> JsonValue:
    return record.value if record is not None else None
