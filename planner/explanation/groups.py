"""Which decisions a reader asks for first, and under which head."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.documents import Plan

# The order of a review: what is done at all, then what it costs on the device, then what is left to look after.
GROUPS: dict[str, tuple[str, ...]] = {
    "What to do": (
        "approach",
        "escalation",
        "path",
        "retrieval",
        "objective",
        "base_model",
        "merge",
        "decoding",
        "data_need",
        "regression_guard",
    ),
    "How to train": (
        "method",
        "base_quantization",
        "precision",
        "distribution",
        "offload",
        "gradient_checkpointing",
        "optimizer",
        "scaling",
        "framework",
    ),
    "How to serve": ("serving", "quantization", "kv_cache", "server", "export", "rollout"),
}
REST = "Settings"
# Asked of every plan, whatever its steps.
ALWAYS = ("approach", "retrieval")
# Collections of rungs and findings repeat what steps and warnings say.
LAST = ("rungs", "warnings")


def group_of(question: str) -> str:
    """The head that a decision stands under."""
    return next((name for name, questions in GROUPS.items() if question in questions), REST)


def by_importance(questions: Iterable[str]) -> list[str]:
    """Decisions in the order in which a reviewer asks for them; those of no group in the order given."""
    known = [question for questions in GROUPS.values() for question in questions]
    rank = {question: index for index, question in enumerate(known)}
    last = len(known)
    return sorted(questions, key=lambda question: (rank.get(question, last), question in LAST))


def signed(plan: Plan) -> list[str]:
    """The decisions that a reviewer signs: those of a group that shape a step, or that a rule or pin answered."""
    used = {reason.decision for step in plan.steps for reason in step.reasons}
    lead = next(iter(GROUPS))
    return by_importance(
        decision.question
        for decision in plan.decisions
        if decision.question in ALWAYS
        or (decision.question in used and group_of(decision.question) != REST)
        or (group_of(decision.question) == lead and decision.tier != "default")
    )
