"""Reads one rule against the facts, thresholds and decisions that there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from planner.documents import Finding, JsonValue, near
from planner.facts import INPUTS
from planner.rules.answers import FORMS, KINDS, allowed, is_answer
from planner.rules.cells import CellError, Test, parse_cell
from planner.rules.problems import of_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents.decision import Tier
    from planner.facts import Fact
    from planner.rules.book import Question, Rule

    Cells = tuple[tuple[str, Test], ...]


CELL = "One comparison a cell: true, a word, `in [a, b]`, `>= 3`, `< $threshold` or `1..5`."


@dataclass(frozen=True)
class Row:
    """A rule with its cells read: alternatives of tests that must all hold."""

    rule: Rule
    tier: Tier
    rows: tuple[Cells, ...]


@dataclass(frozen=True)
class Names:
    """What a rule may name."""

    facts: Mapping[str, Fact]
    thresholds: Mapping[str, float]
    questions: Mapping[str, Question]
    inputs: frozenset[str]
    """What the facts of the table may start from."""
    _absent: dict[str, frozenset[str]] = field(default_factory=dict)

    def absent(self, name: str) -> frozenset[str]:
        """The inputs that a fact starts from and that the table does not have."""
        if name not in self._absent:
            self._absent[name] = frozenset()  # a circle of facts reaches nothing by itself
            needs = self.facts[name].needs if name in self.facts else ()
            own = {name} if name in INPUTS - self.inputs else set()
            self._absent[name] = frozenset(own.union(*(self.absent(need) for need in needs)))
        return self._absent[name]

    def words(self, name: str) -> tuple[str, ...]:
        """All words that a fact or decision can be, as far as they are known."""
        if name in self.facts:
            return self.facts[name].words
        question = self.questions.get(name)
        return () if question is None or isinstance(question.answers, str) else question.answers


def read_rule(rule: Rule, tier: Tier, names: Names) -> tuple[Row, list[Finding]]:
    """The rule with its cells read, and everything that is wrong with it."""
    problems = _decision(rule, names)
    rows = []
    for cells in rule.rows:
        tests = []
        for name, cell in cells.items():
            try:
                test = parse_cell(cell, names.thresholds)
            except CellError as error:
                problems.append(of_rule(rule, f"{error}.", CELL, column=name))
                continue
            problems += _column(rule, name, cell, test, names)
            tests.append((name, test))
        rows.append(tuple(tests))
    problems += _beyond(rule, names)
    return Row(rule, "veto" if rule.vetoes else tier, tuple(rows)), problems


def _decision(rule: Rule, names: Names) -> list[Finding]:
    """Whether the decision exists and takes what the rule answers or forbids."""
    problems = []
    question = names.questions.get(rule.decides)
    if (rule.answer is None) == (not rule.vetoes):
        problems.append(of_rule(rule, "it must have either an `answer` or `vetoes`.", "Write one of them."))
    if question is None:
        hint = near(rule.decides, names.questions) or f"There are: {', '.join(sorted(names.questions))}."
        return [*problems, of_rule(rule, f"there is no decision `{rule.decides}`.", hint)]
    if rule.answer is not None:
        problems += _answer(rule, rule.answer, rule.decides, question, names)
    problems += [
        of_rule(rule, f"`{word}` is no answer to {rule.decides}.", allowed(question))
        for word in rule.vetoes
        if not isinstance(question.answers, str) and word not in question.answers
    ]
    return problems


def _answer(rule: Rule, answer: JsonValue, decides: str, question: Question, names: Names) -> list[Finding]:
    """Whether an answer, or the `$threshold` or `@fact` that it names, can be an answer."""
    form = question.answers if isinstance(question.answers, str) else "word"
    if isinstance(answer, str) and answer.startswith("$"):
        if answer[1:] not in names.thresholds:
            return [of_rule(rule, f"there is no threshold `{answer}`.", near(answer[1:], names.thresholds))]
        answer = names.thresholds[answer[1:]]
    if isinstance(answer, str) and answer.startswith("@"):
        fact = names.facts.get(answer[1:])
        if fact is None:
            return [of_rule(rule, f"there is no fact `{answer}`.", near(answer[1:], names.facts))]
        if form != "any" and fact.kind != KINDS[form]:
            message = f"`{answer}` is a {fact.kind}, and {decides} takes {FORMS[form]}."
            return [of_rule(rule, message, "Name a fact of that form.")]
        return []
    if is_answer(question, answer):
        return []
    shown = str(answer).lower() if isinstance(answer, bool) else answer
    return [of_rule(rule, f"`{shown}` is no answer to {decides}.", allowed(question))]


def _column(rule: Rule, name: str, cell: JsonValue, test: Test, names: Names) -> list[Finding]:
    """Whether the fact or decision of a column exists, and can be what the cell compares it with."""
    fact, question = names.facts.get(name), names.questions.get(name)
    if fact is None and question is None:
        hint = near(name, {*names.facts, *names.questions})
        return [of_rule(rule, "there is no such fact.", hint, column=name)]
    kind = fact.kind if fact else _kind(question)
    if kind and kind != test.kind():
        shown = str(cell).lower() if isinstance(cell, bool) else cell
        what = "fact" if fact else "decision"
        return [of_rule(rule, f"it compares a {kind} with `{shown}`.", f"The {what} is a {kind}.", column=name)]
    words = names.words(name)
    never = f"is no answer to {name}" if question and not fact else "is nothing that it can be"
    return [
        of_rule(rule, f"`{word}` {never}.", f"Allowed: {', '.join(words)}.", column=name)
        for word in test.operands
        if words and word not in words
    ]


def _kind(question: Question | None) -> str | None:
    """The kind of a decision's answers; None when they can be anything."""
    if question is None or question.policy == "collect":
        return None
    return "word" if not isinstance(question.answers, str) else KINDS.get(question.answers)


def _beyond(rule: Rule, names: Names) -> list[Finding]:
    """Facts of a rule that start from what its table does not have."""
    answer = rule.answer
    read = [name for cells in rule.rows for name in cells]
    read += [answer[1:]] if isinstance(answer, str) and answer.startswith("@") else []
    problems = []
    for name in dict.fromkeys(read):
        if absent := names.absent(name):
            message = f"it looks at the {min(absent)}, which a decision on `{rule.decides}` does not have."
            problems.append(of_rule(rule, message, f"It may look at: {', '.join(sorted(names.inputs))}.", column=name))
    return problems
