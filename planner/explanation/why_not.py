"""Why not another answer: which rules offer it, what failed and by how much, what forbids it, what came first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import InputError, JsonValue, near
from planner.explanation.documents import Number, Obstacle, Offer, WhyNot
from planner.explanation.reading import Record
from planner.explanation.words import amount
from planner.rules.needing import nearest, unmet, ways_out
from planner.rules.rejecting import Offer as Offered
from planner.rules.rejecting import offers_of

if TYPE_CHECKING:
    from planner.documents import Cell, Decision, Plan, RuleTrace


def why_not(plan: Plan, question: str, answer: JsonValue) -> WhyNot:
    """Why a plan does not answer a question otherwise, from its record.

    Args:
        plan: a plan; nothing is computed again.
        question: one of its decisions.
        answer: the other answer; a text is read in the form that the decision takes, such as `32` for a count.

    Raises:
        InputError: the plan has no such decision, or the answer is none to it.
    """
    record = Record(plan)
    decision = decision_of(plan, question)
    return _why_not(record, decision, _asked(decision, answer))


def _why_not(record: Record, decision: Decision, asked: JsonValue) -> WhyNot:
    plan = record.plan
    given = decision.answer if isinstance(decision.answer, list) else [decision.answer]
    is_answer = asked in given and asked is not None
    vetoes = _against(decision, asked)
    offers = _nearest_first(record, decision, asked)
    obstacles, shown = _hindered(record, decision, asked)
    cited = [key for trace in vetoes for key in trace.cite] + [key for offer in offers[:1] for key in offer.trace.cite]
    return WhyNot(
        plan=plan.digest,
        name=plan.name,
        question=decision.question,
        asks=decision.asks,
        asked=asked,
        is_answer=is_answer,
        answer=decision.answer,
        because=decision.because,
        rule=decision.rule,
        tier=decision.tier,
        says=_headline(decision, asked, obstacles, offers, is_answer=is_answer),
        vetoes=() if is_answer else obstacles,
        offers=shown,
        before=() if is_answer else _before_default(record, decision, asked),
        needs=() if is_answer else needs_in_words(record, decision, asked),
        other_ways=max(0, sum(len(offer.rows) for offer in shown) - 1),
        pin="" if is_answer else _pin(decision, asked, vetoes),
        unknown=record.unknown(decision),
        sources=record.sources([*decision.cite, *cited] if is_answer else [*cited, *decision.cite]),
    )


def needs_in_words(record: Record, decision: Decision, asked: JsonValue) -> tuple[str, ...]:
    """All that would have to change for another answer, one sentence each."""
    vetoes, offers = _hindered(record, decision, asked)
    before = _before_default(record, decision, asked)
    return tuple(dict.fromkeys(_needs(decision, (*vetoes, *before), offers)))


def _before_default(record: Record, decision: Decision, asked: JsonValue) -> tuple[Obstacle, ...]:
    """The rules that hold and answer before the default gets its turn, when that is what was asked for."""
    if not _is_default(decision, asked):
        return ()
    held = (trace for trace in decision.trace if trace.tier != "veto" and trace.verdict == "holds")
    return tuple(_obstacle(record, trace, ()) for trace in held)


def _is_default(decision: Decision, asked: JsonValue) -> bool:
    return any(item.answer == asked and item.because.startswith("it is the default") for item in decision.rejected)


def _hindered(record: Record, decision: Decision, asked: JsonValue) -> tuple[tuple[Obstacle, ...], tuple[Offer, ...]]:
    """The vetoes against an answer, and the rules that offer it, the nearest first."""
    vetoes = tuple(_obstacle(record, trace, ()) for trace in _against(decision, asked))
    return vetoes, tuple(_offer(record, offer) for offer in _nearest_first(record, decision, asked))


def _against(decision: Decision, asked: JsonValue) -> list[RuleTrace]:
    """The vetoes that hold against an answer."""
    return [trace for trace in _vetoes(decision) if isinstance(trace.answer, list) and asked in trace.answer]


def decision_of(plan: Plan, question: str) -> Decision:
    """The decision on a question.

    Raises:
        InputError: the plan has none; with the near names.
    """
    decision = plan.decision(question)
    if decision is None:
        known = [each.question for each in plan.decisions]
        fix = near(question, known) or f"There are: {', '.join(known)}."
        raise InputError.one("EXPL001", f"The plan decides nothing called `{question}`.", fix)
    return decision


def allowed(decision: Decision) -> tuple[JsonValue, ...]:
    """The answers that a decision lists; empty for one that takes any value of a form."""
    given = decision.answer if isinstance(decision.answer, list) else [decision.answer]
    offered = [trace.answer for trace in decision.trace if trace.tier != "veto"]
    known: list[JsonValue] = [*given, *(item.answer for item in decision.rejected)]
    if decision.takes not in ("one of", "some of", ""):
        # A decision such as `warnings` takes whatever its rules say.
        known = [*given, *offered] if isinstance(decision.answer, list) else []
    return tuple({str(word): word for word in known if word is not None}.values())


def _asked(decision: Decision, answer: JsonValue) -> JsonValue:
    """The answer in the form that the decision takes."""
    words = allowed(decision)
    if words:
        found = next((word for word in words if str(word) == str(answer)), None)
        if found is None:
            names = [str(word) for word in words]
            fix = near(str(answer), names) or f"Its answers: {', '.join(names)}."
            raise InputError.one("EXPL002", f"`{answer}` is no answer to {decision.question}.", fix)
        return found
    value = _read(answer) if isinstance(answer, str) else answer
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "flag": isinstance(value, bool),
        "number": is_number,
        "count": is_number and isinstance(value, int),
        "word": isinstance(answer, str) and bool(answer),
    }.get(decision.takes, True)
    if not fits:
        fix = {"flag": "It takes true or false.", "word": "It takes a word."}.get(decision.takes, "It takes a number.")
        raise InputError.one("EXPL002", f"`{answer}` is no answer to {decision.question}.", fix)
    return answer if decision.takes == "word" else value


def _read(text: str) -> JsonValue:
    """A number or flag that was written as text."""
    if text.lower() in ("true", "yes", "false", "no"):
        return text.lower() in ("true", "yes")
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _vetoes(decision: Decision) -> list[RuleTrace]:
    return [trace for trace in decision.trace if trace.tier == "veto" and trace.verdict == "holds"]


def _answer_of(record: Record, trace: RuleTrace) -> JsonValue:
    """What a rule answers, with a fact's value put in."""
    if trace.value is not None:
        return trace.value
    if isinstance(trace.answer, str) and trace.answer.startswith("@"):
        fact = record.facts.get(trace.answer[1:])
        return fact.value if fact else None
    return trace.answer


def _nearest_first(record: Record, decision: Decision, asked: JsonValue) -> list[Offered]:
    offers = [(trace, _answer_of(record, trace)) for trace in decision.trace if trace.tier != "veto"]
    vetoed = [trace.answer for trace in _vetoes(decision) if isinstance(trace.answer, list)]
    forbidden = {str(word) for words in vetoed for word in words}
    found = offers_of(offers, forbidden, collects=isinstance(decision.answer, list))
    same = [offer for word, each in found.items() if word == str(asked) for offer in each]
    return sorted(same, key=lambda offer: offer.lacks)


def _obstacle(record: Record, trace: RuleTrace, keep: tuple[Cell, ...]) -> Obstacle:
    """A rule that holds, as what would have to change; conditions that must stay are left out."""
    groups = tuple(tuple(record.number(cell, against=True) for cell in ways) for ways in ways_out(trace, keep))
    answer = None if trace.tier == "veto" else _answer_of(record, trace)
    return Obstacle(rule=trace.rule, name=trace.name, answer=answer, groups=groups, cite=trace.cite)


def _offer(record: Record, offer: Offered) -> Offer:
    trace = offer.trace
    rows = sorted(trace.rows, key=lambda cells: sum(cell.verdict != "holds" for cell in cells))
    keep = rows[0] if rows else ()
    return Offer(
        rule=trace.rule,
        name=trace.name,
        tier=trace.tier,
        verdict=trace.verdict,
        rows=tuple(tuple(record.number(cell) for cell in cells) for cells in rows),
        behind=tuple(_obstacle(record, other, keep) for other in offer.behind),
        cite=trace.cite,
    )


def _headline(
    decision: Decision, asked: JsonValue, vetoes: tuple[Obstacle, ...], offers: list[Offered], *, is_answer: bool
) -> str:
    """The whole reason in one sentence."""
    question, word, given = decision.question, amount(asked), amount(decision.answer)
    instead = f"the plan says {given}, because {decision.because}."
    if is_answer:
        reason = next((item.because for item in decision.reasons if item.answer == asked), decision.because)
        return f"{word} is the plan's answer to {question}, because {reason}."
    if vetoes:
        rules = _named("rule", [veto.rule for veto in vetoes])
        return f"{word} is forbidden, because {vetoes[0].name} ({rules}){_by_how_much(vetoes[0])}."
    if decision.tier == "pin":
        return f"The spec pins {question} to {given}, so no rule was asked."
    if offers:
        return _of_offer(word, offers[0])
    if _is_default(decision, asked):
        return f"{word} is the default, which answers when no rule does; {instead}"
    return f"No rule answers {question} with {word}; {instead}"


def _by_how_much(veto: Obstacle) -> str:
    """The one number that a veto rests on, when it is one and has a size."""
    numbers = [item for group in veto.groups for item in group]
    if len(numbers) != 1 or not numbers[0].short:
        return ""
    return f": {numbers[0].found}, {numbers[0].short}"


def _of_offer(word: str, offer: Offered) -> str:
    """Why a rule that offers the answer did not give it."""
    trace = offer.trace
    if trace.verdict == "holds" and offer.behind:
        first = offer.behind[0]
        return f"{word} was offered too, because {trace.name}; but rule {first.rule} comes first: {first.name}."
    if trace.verdict == "holds":
        return f"Rule {trace.rule} offers {word}, but what it answers with is not known."
    lacking, all_of = unmet(trace), nearest(trace)
    unknown = sum(cell.verdict == "unknown" for cell in lacking)
    failed = f"{len(lacking)} of its {len(all_of)} conditions" if len(all_of) > 1 else "its condition"
    how = "cannot be judged" if unknown == len(lacking) else "fail" if len(lacking) > 1 else "fails"
    return f'{word} needs rule {trace.rule}, "{trace.name}", and {failed} {how}.'


def _named(noun: str, names: list[str]) -> str:
    return f"{noun}{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _pin(decision: Decision, asked: JsonValue, vetoes: list[RuleTrace]) -> str:
    """How the answer can be pinned, or why it cannot."""
    if vetoes:
        return f"A pin would be refused while {_named('rule', [trace.rule for trace in vetoes])} forbids it."
    import json

    pin = json.dumps([*decision.answer, asked] if isinstance(decision.answer, list) else asked)
    return f'It can be pinned all the same: "overrides": {{"{decision.question}": {pin}}}.'


def _needs(decision: Decision, obstacles: tuple[Obstacle, ...], offers: tuple[Offer, ...]) -> list[str]:
    """All that would have to change for an answer to come about in its nearest way, one sentence each."""
    found = [need for obstacle in obstacles for need in _lifting(obstacle)]
    if decision.tier == "pin" and not obstacles:
        return [f"the pin overrides.{decision.question} must be taken out"]
    for offer in offers[:1]:
        if offer.verdict != "holds":
            found += [sentence(item) for item in (offer.rows[0] if offer.rows else ()) if item.verdict != "holds"]
        found += [need for other in offer.behind for need in _lifting(other)]
    return found


def _lifting(obstacle: Obstacle) -> list[str]:
    """What takes a rule away: one condition of each group of which at least one is left."""
    return [_one_of(group) if group else f"rule {obstacle.rule} must be switched off" for group in obstacle.groups]


def _one_of(group: tuple[Number, ...]) -> str:
    if len(group) == 1:
        return sentence(group[0])
    return "one of: " + "; ".join(f"{item.fact} {item.needed} (it is {item.found})" for item in group)


def sentence(item: Number) -> str:
    """A condition in words: the fact, what is needed, what was found and by how much it misses."""
    found = f"it is not known, {item.unknown}" if item.verdict == "unknown" else f"it is {item.found}"
    missed = f", {item.short}" if item.short else ""
    return f"{item.fact} must be {item.needed}; {found}{missed}"
