"""Plans to ask: a finetune that a small card limits, a retrieval, a merge."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from planner.documents import Plan, validate
from planner.planning import plan
from tests.planner.specs import EXPLORED, spec

if TYPE_CHECKING:
    from planner.documents import Decision

LLAMA_13B = [{"id": "meta-llama/Llama-2-13b-hf"}]
SMALL_CARD = {"devices": [{"name": "RTX 3090", "memory_gb": 24}]}


def small_card(**changes: Any) -> dict[str, Any]:
    """A 13B model to be finetuned for its style, on 24 GB."""
    rest = {
        "task": {"description": "Answer in our house style", "kind": "chat"},
        "data": {"train": {"examples": 8000, "quality": "curated", "mean_tokens": 400}, "test": {"examples": 300}},
        "models": LLAMA_13B,
        "hardware": SMALL_CARD,
        "attempts": EXPLORED,
        "failures": {"behaviour": 40},
    }
    return spec(**(rest | changes))


def private_facts() -> dict[str, Any]:
    """Questions on documents that no model has seen."""
    return spec(
        task={"description": "Answer from our policies", "kind": "question-answering", "knowledge": {"private": True}},
        data={"documents": {"examples": 900}, "test": {"examples": 200}},
        attempts=EXPLORED,
        failures={"information": 30},
    )


def three_parts() -> dict[str, Any]:
    """Three models of one base that are to become one."""
    sources = [{"id": f"part-{number}", "base": "b7"} for number in range(3)]
    return spec(
        task={"description": "Do the three tasks with one model", "kind": "generation"},
        data={},
        models=[{"id": "b7", "params": 7_000_000_000}],
        merge={"sources": sources, "intent": "combine", "method": "slerp"},
    )


SPECS = {"small card": small_card(), "private facts": private_facts(), "three parts": three_parts()}


@cache
def planned(name: str) -> Plan:
    """One of the plans, as it is read back from its file."""
    return again(plan(SPECS[name]))


def again(document: Plan) -> Plan:
    """A plan as it comes back from its file."""
    return validate(Plan, document.to_json(), code="PLAN")


def decision(document: Plan, question: str) -> Decision:
    found = document.decision(question)
    assert found is not None
    return found
