"""The answers that were not given: why not, and what each would have needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planner.documents import JsonValue, Rejected, RuleTrace
from planner.rules.needing import lifts, nearest, needs, shown, unmet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planner.documents import Cell
    from planner.rules.book import Question


class Settled(NamedTuple):
    """A decision as it came out, with all that spoke for and against."""

    name: str
    question: Question
    answer: JsonValue
    is_pinned: bool
    traces: tuple[RuleTrace, ...]
    forbidden: Mapping[str, tuple[RuleTrace, ...]]
    """The vetoes that hold, by the answer that they forbid."""
    value: Callable[[JsonValue], JsonValue]
    """Replaces `$threshold` and `@fact` in an answer."""


def rejected(case: Settled) -> tuple[Rejected, ...]:
    """Every other answer of a question whose answers are listed."""
    answers = case.question.answers
    if isinstance(answers, str):
        return ()
    given = case.answer if isinstance(case.answer, list) else [case.answer]
    return tuple(_rejected(word, case) for word in answers if word not in given)


def _rejected(word: str, case: Settled) -> Rejected:
    offers = [trace for trace in case.traces if trace.tier != "veto" and case.value(trace.answer) == word]
    if word in case.forbidden:
        vetoes = case.forbidden[word]
        lifted = tuple(need for veto in vetoes for need in lifts(veto))
        needed, ways = _offered(offers, case)
        rules = tuple(veto.rule for veto in vetoes)
        return _made(word, vetoes[0].name, rules, (*lifted, *needed), ways)
    if case.is_pinned:
        return _made(word, f"the spec pins `{shown(case.answer)}`", (), (f"no pin at overrides.{case.name}",))
    if word == case.question.default and not offers:
        because = f"it is the default, and `{shown(case.answer)}` is answered by a rule"
        return _made(word, because, (), _gone(_before(None, word, case)))
    if not offers:
        return _made(word, "no rule answers it", (), (f"a pin: overrides.{case.name} = {word}",))
    best = _nearest(offers, case)
    needed, ways = _offered(offers, case)
    late = best.verdict == "holds"
    because = f"`{shown(case.answer)}` was answered first" if late else f"it is not the case that {best.name}"
    return _made(word, because, (best.rule,), needed, ways)


def _made(word: str, because: str, rules: tuple[str, ...], needed: tuple[str, ...], other_ways: int = 0) -> Rejected:
    needed = tuple(dict.fromkeys(needed))
    return Rejected.model_construct(answer=word, because=because, rules=rules, needs=needed, other_ways=other_ways)


def _nearest(offers: list[RuleTrace], case: Settled) -> RuleTrace:
    """The offer that lacks least: its own conditions, and the rules that answer before it."""
    return min(offers, key=lambda trace: len(unmet(trace)) + len(_before(trace, case.value(trace.answer), case)))


def _offered(offers: list[RuleTrace], case: Settled) -> tuple[tuple[str, ...], int]:
    """What the nearest offer lacks, and in how many other ways the answer could come about."""
    if not offers:
        return (), 0
    best = _nearest(offers, case)
    blockers = _before(best, case.value(best.answer), case)
    own = () if best.verdict == "holds" else needs(best)
    return (*own, *_gone(blockers, nearest(best))), sum(len(trace.rows) for trace in offers) - 1


def _before(trace: RuleTrace | None, word: JsonValue, case: Settled) -> list[RuleTrace]:
    """The rules that hold and answer otherwise before a rule gets its turn; before the default when it is None."""
    if case.question.policy == "collect":
        return []
    ahead = case.traces if trace is None else case.traces[: case.traces.index(trace)]
    return [
        other
        for other in ahead
        if other.verdict == "holds"
        and other.tier != "veto"
        and (value := case.value(other.answer)) not in (None, word)
        and not (isinstance(value, str) and value in case.forbidden)
    ]


def _gone(blockers: list[RuleTrace], keep: tuple[Cell, ...] = ()) -> tuple[str, ...]:
    """What would take the rules away that answer first, with the conditions of the late one still met."""
    return tuple(need for trace in blockers for need in lifts(trace, keep))
