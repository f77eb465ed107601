"""Why a plan answers as it does: the answer, because, why, the numbers, the source, and what was not chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.explanation.documents import (
    AnswerBecause,
    ExplainedDecision,
    Explanation,
    FollowingStep,
    Number,
    RejectedAnswer,
)
from planner.explanation.reading import Record
from planner.explanation.why_not import decision_of, needs_in_words
from planner.rules.needing import verdict_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.documents import Decision, Plan, RuleTrace


def explain(plan: Plan, questions: Iterable[str] = ()) -> Explanation:
    """Decisions of a plan, explained from its record; nothing is computed again.

    Args:
        plan: a plan.
        questions: its decisions to explain; all of them, in the plan's order, when there are none.

    Raises:
        InputError: the plan has no such decision.
    """
    record = Record(plan)
    chosen = [decision_of(plan, question) for question in questions] or list(plan.decisions)
    explained = tuple(_explained(record, decision) for decision in chosen)
    return Explanation(plan=plan.digest, name=plan.name, decisions=explained)


def _explained(record: Record, decision: Decision) -> ExplainedDecision:
    traces = {trace.rule: trace for trace in decision.trace}
    answered = traces.get(decision.rule or "")
    return ExplainedDecision(
        question=decision.question,
        asks=decision.asks,
        answer=decision.answer,
        tier=decision.tier,
        rule=decision.rule,
        because=decision.because,
        why=decision.why,
        numbers=_numbers(record, answered) if answered else (),
        answers=tuple(
            AnswerBecause(
                answer=item.answer,
                rule=item.rule,
                because=item.because,
                why=item.why,
                numbers=_numbers(record, traces[item.rule]) if item.rule in traces else (),
            )
            for item in decision.reasons
        ),
        sources=record.sources(decision.cite),
        rejected=tuple(
            RejectedAnswer(
                answer=item.answer,
                because=item.because,
                rules=item.rules,
                needs=needs_in_words(record, decision, item.answer) or item.needs,
                other_ways=item.other_ways,
            )
            for item in decision.rejected
        ),
        unknown=record.unknown(decision),
        steps=tuple(
            FollowingStep(address=step.address, title=step.title)
            for step in record.plan.steps
            if any(reason.decision == decision.question for reason in step.reasons)
        ),
    )


def _numbers(record: Record, trace: RuleTrace) -> tuple[Number, ...]:
    """The comparisons that made a rule hold, each once."""
    cells = [cell for cells in trace.rows if verdict_of(cells) == "holds" for cell in cells]
    return tuple({(cell.fact, cell.test): record.number(cell) for cell in cells}.values())
