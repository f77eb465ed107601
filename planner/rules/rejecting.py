"""The answers that were not given: why not, and what each would have needed."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from planner.documents import JsonValue, Rejected, RuleTrace
from planner.facts import FACTS, dependencies
from planner.rules.needing import lifts, nearest, needs, shown, unmet

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from planner.documents import Cell
    from planner.rules.book import Question


class Offer(NamedTuple):
    """A rule that offers an answer, with the rules that answer otherwise before it gets its turn."""

    trace: RuleTrace
    behind: tuple[RuleTrace, ...]

    @property
    def lacks(self) -> tuple[int, int, int, int]:
        """What stands in its way, the hardest first: properties of the model, conditions and rules, unknowns, words."""
        missing = () if self.trace.verdict == "holds" else unmet(self.trace)
        words = [cell for cell in missing if isinstance(cell.value, bool | str)]
        unknown = sum(cell.verdict == "unknown" for cell in missing)
        return sum(_is_of_model(cell.fact) for cell in words), len(self.behind) + len(missing), unknown, len(words)

    @property
    def needs(self) -> tuple[str, ...]:
        """What would let it answer."""
        own = () if self.trace.verdict == "holds" else needs(self.trace)
        return (*own, *gone(self.behind, nearest(self.trace)))


@cache
def _is_of_model(fact: str) -> bool:
    """Whether a fact is a property of the base model, which only another model changes."""
    return fact in FACTS and "base_model" in dependencies([fact], FACTS)


class Settled(NamedTuple):
    """A decision as it came out, with all that spoke for and against."""

    name: str
    question: Question
    answer: JsonValue
    is_pinned: bool
    offers: tuple[tuple[RuleTrace, JsonValue], ...]
    """The rules that are no vetoes, each with its answer; in the order of the books."""
    forbidden: Mapping[str, tuple[RuleTrace, ...]]
    """The vetoes that hold, by the answer that they forbid."""


def rejected(case: Settled) -> tuple[Rejected, ...]:
    """Every other answer of a question whose answers are listed."""
    answers = case.question.answers
    if isinstance(answers, str):
        return ()
    given = case.answer if isinstance(case.answer, list) else [case.answer]
    several = case.question.policy == "collect"
    found = offers_of(case.offers, case.forbidden, collects=several)
    return tuple(_rejected(word, case, found.get(word, [])) for word in answers if word not in given)


def offers_of(
    offers: Iterable[tuple[RuleTrace, JsonValue]], forbidden: Container[str], *, collects: bool
) -> dict[str, list[Offer]]:
    """The offers of each answer, by its text.

    Args:
        offers: the rules that are no vetoes, each with its answer; in the order of the books.
        forbidden: answers that a veto forbids; their rules stand in nobody's way.
        collects: whether the decision takes several answers, of which none stands in another's way.
    """
    found: dict[str, list[Offer]] = {}
    ahead: list[tuple[RuleTrace, JsonValue]] = []
    for trace, word in offers:
        behind = tuple(other for other, answer in ahead if answer != word)
        found.setdefault(str(word), []).append(Offer(trace, behind))
        if trace.verdict == "holds" and word is not None and str(word) not in forbidden and not collects:
            ahead.append((trace, word))
    return found


def _rejected(word: str, case: Settled, offers: list[Offer]) -> Rejected:
    best = min(offers, key=lambda offer: offer.lacks) if len(offers) > 1 else next(iter(offers), None)
    wanting = best.needs if best else ()
    ways = sum(len(offer.trace.rows) for offer in offers) - 1 if best else 0
    if word in case.forbidden:
        vetoes = case.forbidden[word]
        lifted = tuple(need for veto in vetoes for need in lifts(veto))
        return _made(word, vetoes[0].name, tuple(veto.rule for veto in vetoes), (*lifted, *wanting), ways)
    if case.is_pinned:
        because = f"the spec pins `{shown(case.answer)}`"
        return _made(word, because, (), (f"no pin at overrides.{case.name}",))
    if best:
        late = best.trace.verdict == "holds"
        because = (
            f"`{shown(case.answer)}` was answered first"
            if late
            else f'rule {best.trace.rule} does not hold: "{best.trace.name}"'
        )
        return _made(word, because, (best.trace.rule,), wanting, ways)
    if word == case.question.default:
        because = f"it is the default, and `{shown(case.answer)}` is answered by a rule"
        held = tuple(trace for trace, answer in case.offers if trace.verdict == "holds" and answer is not None)
        return _made(word, because, (), gone(held))
    return _made(word, "no rule answers it", (), (f"a pin: overrides.{case.name} = {word}",))


def gone(ahead: tuple[RuleTrace, ...], keep: tuple[Cell, ...] = ()) -> tuple[str, ...]:
    """What would take the rules away that answer first, with the conditions of the late one still met."""
    return tuple(dict.fromkeys(need for trace in ahead for need in lifts(trace, keep)))


# Frozen, and the same in most plans.
@lru_cache(maxsize=8192)
def _made(word: str, because: str, rules: tuple[str, ...], needed: tuple[str, ...], ways: int = 0) -> Rejected:
    return Rejected.made(answer=word, because=because, rules=rules, needs=needed, other_ways=ways)
