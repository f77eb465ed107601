"""The evaluation: every decision answered once, and the record of how."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planner.documents import Cell, Decision, Finding, InputError, JsonValue, Rejected, RuleTrace, Where
from planner.facts import Board, Unknown
from planner.rules.answers import allowed, is_answer
from planner.rules.cells import parse_cell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents.decision import Tier, Verdict
    from planner.rules.book import Question
    from planner.rules.cells import Test
    from planner.rules.table import Row, Table


def evaluate(table: Table, board: Board, pins: Mapping[str, JsonValue]) -> tuple[Decision, ...]:
    """Answer every question of a table, in one pass; the decisions come in the order of the books.

    Tiers: a veto forbids, then the user's pin, then the user's rules, then the core's, then the default.

    Raises:
        InputError: a pin names no decision, is no answer to it, or is vetoed.
    """
    problems = [
        _pin_problem(name, f"There is no decision `{name}` to pin.", f"Allowed: {', '.join(sorted(table.questions))}.")
        for name in pins
        if name not in table.questions
    ]
    decisions: dict[str, Decision] = {}
    for name in table.order:
        question = table.questions[name]
        traces = tuple(_trace(row, board) for row in table.rows[name])
        try:
            decision = _decide(name, question, traces, _Evaluation(table, board, pins))
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
    """What one evaluation has: the rules, the facts, the user's pins."""

    table: Table
    board: Board
    pins: Mapping[str, JsonValue]

    def value(self, answer: JsonValue) -> JsonValue:
        """An answer with `$threshold` and `@fact` replaced; None when the fact is unknown."""
        if isinstance(answer, str) and answer.startswith("$"):
            return self.table.thresholds[answer[1:]]
        if isinstance(answer, str) and answer.startswith("@"):
            value = self.board.get(answer[1:])
            return None if isinstance(value, Unknown) else value
        return answer


def _pin_problem(name: str, message: str, fix: str) -> Finding:
    where = Where(pointer=f"/overrides/{name}")
    return Finding(code="PIN001", severity="error", message=message, fix=fix, where=where)


def _trace(row: Row, board: Board) -> RuleTrace:
    """A rule with the verdict of each of its cells."""
    rows = tuple(tuple(_cell(name, test, board) for name, test in cells) for cells in row.rows)
    verdicts = [_all(cells) for cells in rows]
    verdict: Verdict = "holds" if "holds" in verdicts else "unknown" if "unknown" in verdicts else "fails"
    answer: JsonValue = list(row.rule.vetoes) if row.rule.vetoes else row.rule.answer
    return RuleTrace.model_construct(
        rule=row.rule.id,
        name=row.rule.name,
        tier=row.tier,
        answer=answer,
        verdict=verdict,
        rows=rows,
        cite=row.rule.cite,
    )


def _cell(name: str, test: Test, board: Board) -> Cell:
    value = board.get(name)
    unknown = isinstance(value, Unknown)
    verdict: Verdict = "unknown" if unknown else "holds" if test.holds(value) else "fails"
    return Cell.model_construct(fact=name, test=str(test), value=None if unknown else value, verdict=verdict)


def _all(cells: tuple[Cell, ...]) -> Verdict:
    verdicts = {cell.verdict for cell in cells}
    return "fails" if "fails" in verdicts else "unknown" if "unknown" in verdicts else "holds"


def _decide(name: str, question: Question, traces: tuple[RuleTrace, ...], run: _Evaluation) -> Decision:
    rows = {row.rule.id: row for row in run.table.rows[name]}
    vetoes = [trace for trace in traces if trace.tier == "veto" and trace.verdict == "holds"]
    forbidden = {word: trace for trace in reversed(vetoes) for word in _words(trace)}
    tier: Tier
    rule: str | None = None
    why, cite = "", question.cite
    if name in run.pins:
        answer: JsonValue = _pinned(name, run.pins[name], question, forbidden)
        tier, because = "pin", "the spec pins it"
    elif question.policy == "collect":
        held = [trace for trace in traces if trace.verdict == "holds" and trace.tier != "veto"]
        chosen = [trace for trace in held if run.value(trace.answer) not in forbidden]
        answer = list(dict.fromkeys(str(run.value(trace.answer)) for trace in chosen))
        tier = chosen[0].tier if chosen else "default"
        because = "; ".join(trace.name for trace in chosen) or question.because
        cite = tuple(dict.fromkeys(key for trace in chosen for key in trace.cite)) or question.cite
    else:
        for trace in traces:
            value = run.value(trace.answer)
            if trace.verdict == "holds" and trace.tier != "veto" and value is not None and value not in forbidden:
                answer, rule, tier, because = value, trace.rule, trace.tier, trace.name
                why, cite = rows[rule].rule.why, trace.cite
                break
        else:
            answer, tier, because = run.value(question.default), "default", question.because
            if answer in forbidden:
                because = f"nothing is left: {forbidden[answer].name}"
                answer = None
    return Decision.model_construct(
        question=name,
        answer=answer,
        tier=tier,
        rule=rule,
        because=because,
        why=why,
        cite=cite,
        rejected=_rejected(question, answer, traces, forbidden, run),
        missing=_missing(traces, run.board),
        trace=traces,
    )


def _words(trace: RuleTrace) -> list[str]:
    return [str(word) for word in trace.answer] if isinstance(trace.answer, list) else []


def _pinned(name: str, answer: JsonValue, question: Question, forbidden: dict[str, RuleTrace]) -> JsonValue:
    words = answer if question.policy == "collect" and isinstance(answer, list) else [answer]
    for word in words:
        if not is_answer(question, word) or (question.policy == "collect" and not isinstance(answer, list)):
            raise InputError([_pin_problem(name, f"`{_shown(answer)}` is no answer to {name}.", allowed(question))])
        if isinstance(word, str) and word in forbidden:
            veto = forbidden[word]
            message = f"The spec pins {name} to `{word}`, but rule {veto.rule} forbids it because {veto.name}."
            raise InputError([_pin_problem(name, message, f"Needed: {'; '.join(needs(veto)) or 'another answer'}.")])
    return answer


def needs(trace: RuleTrace) -> tuple[str, ...]:
    """What a rule lacks in order to hold, or for a veto that holds, what would lift it."""
    if trace.tier == "veto":
        return tuple(
            f"{cell.fact} {parse_cell(cell.test, {}).opposite()} (it is {_shown(cell.value)})"
            for cells in trace.rows
            if _all(cells) == "holds"
            for cell in cells
        )
    nearest = min(trace.rows, key=lambda cells: sum(cell.verdict != "holds" for cell in cells))
    return tuple(
        f"{cell.fact} {cell.test} (it is {_shown(cell.value) if cell.verdict == 'fails' else 'unknown'})"
        for cell in nearest
        if cell.verdict != "holds"
    )


def _shown(value: JsonValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _rejected(
    question: Question,
    answer: JsonValue,
    traces: tuple[RuleTrace, ...],
    forbidden: dict[str, RuleTrace],
    run: _Evaluation,
) -> tuple[Rejected, ...]:
    """The other answers, each with why not and what it would have needed."""
    if isinstance(question.answers, str) or question.policy == "collect":
        return ()
    found = []
    for word in question.answers:
        if word == answer:
            continue
        if word in forbidden:
            veto = forbidden[word]
            found.append(
                Rejected.model_construct(answer=word, because=veto.name, rules=(veto.rule,), needs=needs(veto))
            )
            continue
        offers = [trace for trace in traces if trace.tier != "veto" and run.value(trace.answer) == word]
        if not offers:
            continue
        late = [trace for trace in offers if trace.verdict == "holds"]
        best = late[0] if late else min(offers, key=lambda trace: len(needs(trace)))
        because = f"`{answer}` was answered first" if late else f"it is not the case that {best.name}"
        needed = () if late else needs(best)
        found.append(Rejected.model_construct(answer=word, because=because, rules=(best.rule,), needs=needed))
    return tuple(found)


def _missing(traces: tuple[RuleTrace, ...], board: Board) -> tuple[str, ...]:
    """Facts that were unknown, why, and the rules that they would have opened."""
    opened: dict[str, list[str]] = {}
    for trace in traces:
        if trace.verdict == "unknown":
            for cells in trace.rows:
                for cell in cells:
                    if cell.verdict == "unknown":
                        opened.setdefault(cell.fact, []).append(trace.rule)
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
            fix=rules[trace.rule].fix,
            cite=trace.cite,
        )
        for decision in decisions
        if decision.question == "warnings"
        for trace in decision.trace
        if trace.verdict == "holds"
    )
