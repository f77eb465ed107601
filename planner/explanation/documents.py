"""What the queries on a plan's record return: explanations, why-nots and flips."""

from __future__ import annotations

from typing import Literal

from planner.documents import JsonValue, ReadAhead
from planner.documents.decision import Tier, Verdict


class Source(ReadAhead):
    """A citation key with what it stands for."""

    key: str
    text: str


class Number(ReadAhead):
    """A fact that a rule compared: what was found, what was needed, and by how much it missed."""

    fact: str
    says: str
    """What the fact is, in one sentence."""
    value: JsonValue = None
    unit: str = ""
    found: str
    """The value as people read it."""
    test: str
    thresholds: tuple[str, ...] = ()
    needed: str
    """The test as people read it."""
    verdict: Verdict
    difference: float | None = None
    """How far the value is from passing, in the fact's unit; null when it passes or has no size."""
    ratio: float | None = None
    """The value as a multiple of what is needed; null when it passes, has no size, or nothing is needed."""
    short: str = ""
    """The difference as people read it; empty when it passes."""
    unknown: str = ""
    """Why there is no value."""


class Obstacle(ReadAhead):
    """A rule that stands in the way of an answer: for each group, one of its conditions must change."""

    rule: str
    name: str
    """Reads after "because"."""
    answer: JsonValue = None
    """What it answers instead; null for a veto."""
    groups: tuple[tuple[Number, ...], ...]
    cite: tuple[str, ...] = ()


class Offer(ReadAhead):
    """A rule that gives an answer when its conditions hold: rows are alternatives, the nearest first."""

    rule: str
    name: str
    tier: Tier
    verdict: Verdict
    rows: tuple[tuple[Number, ...], ...]
    behind: tuple[Obstacle, ...] = ()
    """Rules that answer otherwise before it gets its turn."""
    cite: tuple[str, ...] = ()


class Unknown(ReadAhead):
    """A fact that was not known, why, and what it would have opened."""

    fact: str
    says: str
    reason: str
    rules: tuple[str, ...]
    answers: tuple[JsonValue, ...] = ()
    """What those rules would answer, or forbid."""
    matters: bool = True
    """Whether one of those rules could have changed the answer."""


class WhyNot(ReadAhead):
    """Why a plan does not answer a question otherwise."""

    format: Literal["adapt.why-not/1"] = "adapt.why-not/1"
    plan: str
    """The plan's digest."""
    name: str
    question: str
    asks: str = ""
    asked: JsonValue
    """The answer that was asked for."""
    is_answer: bool
    answer: JsonValue
    """The plan's answer."""
    because: str
    rule: str | None = None
    tier: Tier
    says: str
    """The whole reason in one sentence."""
    vetoes: tuple[Obstacle, ...] = ()
    offers: tuple[Offer, ...] = ()
    """Rules that offer the answer, the nearest first."""
    before: tuple[Obstacle, ...] = ()
    """For an answer that is the default: the rules that answer before it gets its turn."""
    needs: tuple[str, ...] = ()
    """All that would have to change, one sentence each."""
    other_ways: int = 0
    """Rows of conditions that lead there too, beside the nearest."""
    pin: str = ""
    """How the answer can be pinned, or why it cannot."""
    unknown: tuple[Unknown, ...] = ()
    sources: tuple[Source, ...] = ()


class RejectedAnswer(ReadAhead):
    """An answer that was not given, in sentences."""

    answer: JsonValue
    because: str
    rules: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    other_ways: int = 0


class AnswerBecause(ReadAhead):
    """One of several answers with its reason."""

    answer: JsonValue
    rule: str
    because: str
    why: str = ""
    numbers: tuple[Number, ...] = ()


class FollowingStep(ReadAhead):
    """A step of the plan that follows from a decision."""

    address: str
    title: str


class ExplainedDecision(ReadAhead):
    """A decision: the answer, because, why, the numbers, the source, and what was not chosen."""

    question: str
    asks: str = ""
    answer: JsonValue
    tier: Tier
    rule: str | None = None
    because: str
    why: str = ""
    numbers: tuple[Number, ...] = ()
    answers: tuple[AnswerBecause, ...] = ()
    """One for each answer of a decision that takes several."""
    sources: tuple[Source, ...] = ()
    rejected: tuple[RejectedAnswer, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    steps: tuple[FollowingStep, ...] = ()


class Explanation(ReadAhead):
    """Decisions of a plan, explained from its record."""

    format: Literal["adapt.explanation/1"] = "adapt.explanation/1"
    plan: str
    name: str
    decisions: tuple[ExplainedDecision, ...]


class Flip(ReadAhead):
    """A change of one input that changes one answer, recomputed and confirmed by the engine."""

    lever: str
    question: str
    now: JsonValue
    """The input as the plan has it; null when the spec does not give it."""
    at: JsonValue
    """The value of the input, nearest to what it is now, that changes the answer."""
    direction: Literal["up", "down", "other"]
    to_the_end: bool = True
    """Whether the new answer stands at every value that was tried beyond `at`."""
    answer: JsonValue
    """The new answer."""
    instead_of: JsonValue
    because: str
    """The reason of the new answer."""
    rule: str | None = None
    change: str
    """The change of the input in words, such as `at 38 GB and more (now 24 GB)`."""


class Limit(ReadAhead):
    """A value of an input beyond which there is no plan at all."""

    lever: str
    at: JsonValue
    change: str
    because: str


class Flips(ReadAhead):
    """Which inputs would change which answers."""

    format: Literal["adapt.flips/1"] = "adapt.flips/1"
    plan: str
    name: str
    flips: tuple[Flip, ...]
    limits: tuple[Limit, ...] = ()
    steady: tuple[str, ...] = ()
    """Levers that were tried and change no answer that was asked for."""
    evaluations: int
    """How often the engine was asked."""
