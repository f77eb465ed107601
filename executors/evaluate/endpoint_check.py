"""What would make a step fail that asks a server, known before anything starts; no request is made."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from pydantic import ValidationError

from executors.evaluate.api_key import Key
from planner.documents import Endpoint, Finding, InputError, Where

if TYPE_CHECKING:
    from planner.documents import Step


def unready(step: Step) -> list[Finding]:
    """Problems with what answers and what grades: nothing or two things to ask, no library, no key."""
    endpoint, judge = step.params.get("endpoint"), step.params.get("judge")
    found = []
    if endpoint is None and "model" not in step.inputs:
        message = f"{step.address} has no input `model` and no `endpoint`: nothing can answer."
        found.append(_finding("EVAL002", message, "Name one of them.", "/inputs/model"))
    if endpoint is not None and "model" in step.inputs:
        message = f"{step.address} has an input `model` and an `endpoint`: only one can answer."
        found.append(_finding("EVAL015", message, "Leave one out.", "/params/endpoint"))
    asked = step.params.get("metrics")
    if judge is None and isinstance(asked, list) and "judge" in asked:
        message = "The metric `judge` needs a judge."
        found.append(_finding("EVAL016", message, "Name one, or drop the metric.", "/params/judge"))
    servers = {
        "/params/endpoint": endpoint,
        "/params/judge": judge.get("endpoint") if isinstance(judge, dict) else None,
    }
    for pointer, server in servers.items():
        if server is not None:
            found += _of_server(step.address, server, pointer)
    return found


def _of_server(address: str, server: object, pointer: str) -> list[Finding]:
    if find_spec("openai") is None:
        fix = "Install what runs plans: pip install 'adapt-planner[run]' -c constraints.txt."
        return [_finding("EVAL017", f"{address} asks a server and needs openai, not installed here.", fix, pointer)]
    try:
        Key.of(Endpoint.model_validate(server))
    except InputError as error:
        return [_finding(each.code, f"{address}: {each.message}", each.fix, pointer) for each in error.findings]
    except ValidationError:
        pass  # the parameters are checked as a whole elsewhere
    return []


def _finding(code: str, message: str, fix: str, pointer: str) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(pointer=pointer))
