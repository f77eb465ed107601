"""The evaluation: every decision answered once, and the record of how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from planner.documents import AnswerReason, Cell, Decision, Finding, InputError, JsonValue, RuleTrace
from planner.facts import Board, Unknown
from planner.rules.memo import RuleMemo, Store, memo_of, sign_of, signs_of
from planner.rules.needing import needs, verdict_of
from planner.rules.pinning import pinned, unknown_pins
from planner.rules.rejecting import Settled, rejected

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from planner.documents.decision import Tier, Verdict
    from planner.rules.book import Question, Rule
    from planner.rules.cells import Test
    from planner.rules.table import Row, Table

__all__ = ["evaluate", "needs", "warnings"]

Traces = tuple[RuleTrace, ...]


def evaluate(table: Table, board: Board, pins: Mapping[str, JsonValue]) -> tuple[Decision, ...]:
    """Answer every question of a table, in one pass; the decisions come in the order of the books.

    Tiers: a veto forbids, then the user's pin, then the user's rules, then the core's, then the default.

    Raises:
        InputError: a pin names no decision, is no answer to it, or is vetoed.
    """
    problems = unknown_pins(table, pins)
    decisions: dict[str, Decision] = {}
    for name in table.order:
        try:
            decision = _remembered(name, _Evaluation(table, board, pins, {}))
        except InputError as error:
            problems += error.findings
            board.answer(name, None)
            continue
        board.answer(name, decision.answer)
        decisions[name] = decision
    if problems:
        raise InputError(problems)
    return tuple(decisions[name] for name in table.questions)


class _Evaluation(NamedTuple):
    """What the evaluation of a question has: the rules, the facts, the user's pins."""

    table: Table
    board: Board
    pins: Mapping[str, JsonValue]
    used: dict[str, object]
    """The facts that answers referred to, with their values."""

    def value(self, answer: JsonValue) -> JsonValue:
        """An answer with `$threshold` and `@fact` replaced; None when the fact is unknown."""
        if isinstance(answer, str) and answer[:1] == "$":
            return self.table.thresholds[answer[1:]]
        if isinstance(answer, str) and answer[:1] == "@":
            value = self.used[answer[1:]] = self.board.get(answer[1:])
            return None if isinstance(value, Unknown) else value
        return answer


def _remembered(name: str, run: _Evaluation) -> Decision:
    """The decision, from an earlier evaluation that saw the same values."""
    memo = memo_of(run.table, name)
    signs = signs_of(memo.columns, run.board)
    key = (signs, repr(run.pins[name]) if name in run.pins else None)
    known = memo.decisions.get(key)
    if known is not None and all(_same(run.board.get(fact), value) for fact, value in known[0].items()):
        return known[1]
    decision = _decide(name, tuple([_trace(rule, rule.pick(signs), run) for rule in memo.rules]), run)
    memo.decisions.keep(key, (run.used, decision))
    return decision


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


class _Answer(NamedTuple):
    """What answers a question, and on whose word."""

    answer: JsonValue
    tier: Tier
    because: str
    rule: str | None = None
    why: str = ""
    cite: tuple[str, ...] = ()
    reasons: tuple[AnswerReason, ...] = ()


def _trace(memo: RuleMemo, key: Hashable, run: _Evaluation) -> RuleTrace:
    """A rule with the verdict of each of its cells, and with what its answer refers to when it holds."""
    found = memo.traces.get(key)
    if found is None:
        found = trace_of(memo.row, run.board)
        memo.traces.keep(key, found)
    answer = found.answer
    if found.verdict == "holds" and isinstance(answer, str) and answer[:1] in ("$", "@"):
        return found.model_copy(update={"value": run.value(answer)})
    return found


def trace_of(row: Row, board: Board) -> RuleTrace:
    """A rule with the verdict of each of its cells."""
    rule = row.rule
    rows = tuple([tuple([_cell(name, test, board) for name, test in cells]) for cells in row.rows])
    verdicts = [verdict_of(cells) for cells in rows]
    verdict: Verdict = "holds" if "holds" in verdicts else "unknown" if "unknown" in verdicts else "fails"
    return RuleTrace.made(
        rule=rule.id,
        name=rule.name,
        tier=row.tier,
        answer=list(rule.vetoes) if rule.vetoes else rule.answer,
        value=None,
        verdict=verdict,
        rows=rows,
        cite=rule.cite,
    )


# Plans of one process look at the same few values again and again, and share the records of them.
_CELLS: Store[Cell] = Store(8192)


def _cell(name: str, test: Test, board: Board) -> Cell:
    value = board.get(name)
    unknown = isinstance(value, Unknown)
    key = (name, test.text, test.thresholds, Unknown if unknown else sign_of(value))
    found = _CELLS.get(key)
    if found is None:
        found = _made_cell(name, test, value, unknown=unknown)
        _CELLS.keep(key, found)
    return found


def _made_cell(name: str, test: Test, value: Any, *, unknown: bool) -> Cell:
    verdict: Verdict = "unknown" if unknown else "holds" if test.holds(value) else "fails"
    return Cell.made(
        fact=name,
        test=test.text,
        value=None if unknown else value,
        verdict=verdict,
        thresholds=test.thresholds,
    )


def _decide(name: str, traces: Traces, run: _Evaluation) -> Decision:
    question = run.table.questions[name]
    forbidden = _forbidden(traces)
    if name in run.pins:
        refused = {word: vetoes[0] for word, vetoes in forbidden.items()}
        found = _Answer(pinned(name, question, refused, run.pins), "pin", "the spec pins it", cite=question.cite)
    elif question.policy == "collect":
        found = _collected(name, traces, forbidden, run)
    else:
        found = _first(name, traces, forbidden, run) or _default(question, forbidden, run)
    case = Settled(name, question, found.answer, name in run.pins, _offers(question, traces, run), forbidden)
    return Decision.made(
        question=name,
        asks=question.asks,
        takes=_takes(question),
        **found._asdict(),
        rejected=rejected(case),
        missing=_missing(traces, run.board),
        trace=traces,
    )


def _offers(question: Question, traces: Traces, run: _Evaluation) -> tuple[tuple[RuleTrace, JsonValue], ...]:
    """The rules that are no vetoes, each with its answer; needed only where the answers are listed."""
    if isinstance(question.answers, str):
        return ()
    return tuple((trace, run.value(trace.answer)) for trace in traces if trace.tier != "veto")


def _takes(question: Question) -> str:
    """The form of an answer in words."""
    if isinstance(question.answers, str):
        return f"{question.answers}s" if question.policy == "collect" else question.answers
    return "some of" if question.policy == "collect" else "one of"


def _forbidden(traces: Traces) -> dict[str, tuple[RuleTrace, ...]]:
    """Each forbidden answer with the vetoes that hold against it, in the order of the books."""
    found: dict[str, tuple[RuleTrace, ...]] = {}
    for trace in traces:
        if trace.tier == "veto" and trace.verdict == "holds" and isinstance(trace.answer, list):
            for word in trace.answer:
                found[str(word)] = (*found.get(str(word), ()), trace)
    return found


def _collected(name: str, traces: Traces, forbidden: Mapping[str, object], run: _Evaluation) -> _Answer:
    """Every answer whose rule holds; the first rule of an answer gives its reason."""
    question, rules = run.table.questions[name], _rules(name, run)
    held = [
        (str(value), trace)
        for trace in traces
        if trace.verdict == "holds"
        and trace.tier != "veto"
        and (value := run.value(trace.answer)) is not None
        and str(value) not in forbidden
    ]
    if not held:
        return _Answer([], "default", question.because, cite=question.cite)
    reasons = tuple(
        AnswerReason.made(answer=word, rule=trace.rule, because=trace.name, why=rules[trace.rule].why, cite=trace.cite)
        for word, trace in held
    )
    return _Answer(
        list(dict.fromkeys(word for word, _ in held)),
        held[0][1].tier,
        "; ".join(trace.name for _, trace in held),
        cite=tuple(dict.fromkeys(key for _, trace in held for key in trace.cite)) or question.cite,
        reasons=reasons,
    )


def _first(name: str, traces: Traces, forbidden: Mapping[str, object], run: _Evaluation) -> _Answer | None:
    """The answer of the first rule that holds, has a value, and is not vetoed."""
    for trace in traces:
        if trace.verdict == "holds" and trace.tier != "veto":
            value = run.value(trace.answer)
            if value is not None and not (isinstance(value, str) and value in forbidden):
                why = _rules(name, run)[trace.rule].why
                return _Answer(value, trace.tier, trace.name, trace.rule, why, trace.cite)
    return None


def _default(question: Question, forbidden: Mapping[str, tuple[RuleTrace, ...]], run: _Evaluation) -> _Answer:
    answer = run.value(question.default)
    if isinstance(answer, str) and answer in forbidden:
        return _Answer(None, "default", f"nothing is left: {forbidden[answer][0].name}", cite=question.cite)
    if answer is None and isinstance(question.default, str):
        reason = run.board.get(question.default[1:]).reason
        return _Answer(None, "default", f"nothing answers it: {reason}", cite=question.cite)
    return _Answer(answer, "default", question.because, cite=question.cite)


def _rules(name: str, run: _Evaluation) -> dict[str, Rule]:
    return {row.rule.id: row.rule for row in run.table.rows[name]}


def _missing(traces: Traces, board: Board) -> tuple[str, ...]:
    """Facts that were unknown, why, and the rules that they would have opened."""
    opened: dict[str, list[str]] = {}
    for trace in traces:
        if trace.verdict == "unknown":
            for cells in trace.rows:
                for cell in cells:
                    if cell.verdict == "unknown":
                        opened.setdefault(cell.fact, []).append(trace.rule)
        elif trace.verdict == "holds" and trace.value is None and str(trace.answer).startswith("@"):
            opened.setdefault(str(trace.answer)[1:], []).append(trace.rule)
    return tuple(
        f"{name}: {board.get(name).reason}; it would open {', '.join(dict.fromkeys(rules))}"
        for name, rules in sorted(opened.items())
    )


def warnings(table: Table, decisions: tuple[Decision, ...]) -> tuple[Finding, ...]:
    """The findings of the rules that decide `warnings` and hold, in the order of the book."""
    rules = {row.rule.id: row.rule for row in table.rows.get("warnings", ())}
    return tuple(
        Finding(
            code=trace.rule,
            severity=rules[trace.rule].severity or "warning",
            message=trace.name[0].upper() + trace.name[1:] + ".",
            why=rules[trace.rule].why,
            fix=rules[trace.rule].fix,
            cite=trace.cite,
        )
        for decision in decisions
        if decision.question == "warnings"
        for trace in decision.trace
        if trace.verdict == "holds"
    )
