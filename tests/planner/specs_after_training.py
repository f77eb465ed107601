"""Small specs of merges and of serving, which name no files, and what is read off their plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.planning import plan
from tests.planner.specs import EXPLORED, spec

if TYPE_CHECKING:
    from planner.documents import Plan

SEVEN = {"id": "b7", "params": 7_000_000_000}
MISTRAL = {"id": "mistralai/Mistral-7B-v0.1"}
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
# What serving may take where 16 bits of eight billion parameters do not fit.
SMALL_SERVING = {"max_serving_memory_gb": 6}


def sources(*names: str, base: str = "b7", **more: Any) -> list[dict[str, Any]]:
    """Sources of one base."""
    return [{"id": name, "base": base, **more} for name in names]


def merging(found: list[dict[str, Any]], intent: str = "combine", **changes: Any) -> dict[str, Any]:
    """A merge of sources; `method` and `target_layers` belong to the merge, everything else to the spec."""
    merge: dict[str, Any] = {"sources": found, "intent": intent}
    merge |= {name: changes.pop(name) for name in ("method", "target_layers") if name in changes}
    values: dict[str, Any] = {"models": [SEVEN], "data": {"test": {"examples": 200}}, "merge": merge}
    return spec(**(values | changes))


def finetuning(**changes: Any) -> dict[str, Any]:
    """A finetune that is due: prompting was explored and the failures are of behaviour."""
    return spec(**({"attempts": EXPLORED, "failures": {"behaviour": 30}} | changes))


def answer(document: Plan, question: str) -> Any:
    decision = document.decision(question)
    assert decision is not None
    return decision.answer


def quantized(document: Plan) -> Any:
    [step] = [step for step in document.steps if step.executor == "quantize"]
    return step


def merged(*args: Any, **changes: Any) -> Plan:
    return plan(merging(*args, **changes))
