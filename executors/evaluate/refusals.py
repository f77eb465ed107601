"""What servers refuse of a request, and how they are asked instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from executors.evaluate.chat_api import Parameters
    from executors.evaluate.patience import Failure

# Parameters that some servers and models refuse, and that an answer can do without.
DISPENSABLE = ("seed", "temperature")
FORM = ("response_format", "extra_body")
INTERNAL = 500
_INVALID = re.compile(r"validation error|input should be|extra inputs|unknown (field|parameter)", re.IGNORECASE)
_NO_SYSTEM = re.compile(r"system (role|message|prompt|turn)|roles must alternate", re.IGNORECASE)
_TOO_LONG = re.compile(r"context|too long|too many tokens|maximum.{0,40}tokens|exceed", re.IGNORECASE)


class Asked(NamedTuple):
    """One way of asking a question."""

    parameters: Parameters
    turns: list[dict[str, str]]
    spare: int
    """Examples that may still be left out."""
    refusal: str = ""
    """What the server said against the parameters that were left out."""


def another_way(asked: Asked, failure: Failure) -> Asked | None:
    """Another way of asking after a server refused one; None when there is none."""
    said = failure.message
    if failure.kind != "request":
        return None
    if asked.spare and too_long(said):
        turns, spare = fewer_examples(asked.turns, asked.spare)
        return asked._replace(turns=turns, spare=spare)
    if has_system(asked.turns) and refuses_system(said):
        return asked._replace(turns=without_system(asked.turns))
    fewer = without_refused(asked.parameters, said)
    return None if fewer is None else asked._replace(parameters=fewer, refusal=said)


def has_system(turns: list[dict[str, str]]) -> bool:
    """Whether a conversation opens with a system turn."""
    return turns[0]["role"] == "system"


def without_refused(parameters: Parameters, said: str) -> Parameters | None:
    """The parameters for another try after a server refused a request; None when there is nothing to leave out.

    Args:
        parameters: what was asked.
        said: the server's message; without a name in it, constrained decoding is what servers refuse.
    """
    if "max_completion_tokens" in said and "max_tokens" in parameters:
        kept = {name: value for name, value in parameters.items() if name != "max_tokens"}
        return kept | {"max_completion_tokens": parameters["max_tokens"]}
    schema = _schema_of(parameters)
    named = [name for name in DISPENSABLE if name in said and name in parameters]
    if schema is not None and not named:
        # The way before `json_schema` had a name: llama-cpp-python, and hosts of open models.
        return parameters | {"response_format": {"type": "json_object", "schema": schema}}
    refused = named or [name for name in FORM if name in parameters]
    return {name: value for name, value in parameters.items() if name not in refused} if refused else None


def _schema_of(parameters: Parameters) -> Any:
    """The schema that a request names in today's way; None for any other request."""
    wanted = parameters.get("response_format", {})
    return wanted["json_schema"]["schema"] if wanted.get("type") == "json_schema" else None


def refuses_request(status: int, said: str) -> bool:
    """Whether an error of the server is its way of refusing what a request asks for.

    Some frameworks answer 500 where a parameter is not one that they know.
    """
    return status in (400, 413, 422) or (status == INTERNAL and bool(_INVALID.search(said)))


def too_long(said: str) -> bool:
    """Whether a server refuses a conversation because its model cannot read so much."""
    return bool(_TOO_LONG.search(said))


def refuses_system(said: str) -> bool:
    """Whether a server's template has no place for a system turn."""
    return bool(_NO_SYSTEM.search(said))


def without_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The conversation with its system text at the start of the first request."""
    system, first, *rest = turns
    return [first | {"content": f"{system['content']}\n\n{first['content']}"}, *rest]


def fewer_examples(turns: list[dict[str, str]], spare: int) -> tuple[list[dict[str, str]], int]:
    """The conversation without a quarter of the examples that may be left out, the farthest from the request first.

    Args:
        turns: system text where there is any, examples as two turns each, then what must stay.
        spare: how many examples may go; at least 1.
    """
    gone, first = -(-spare // 4), int(turns[0]["role"] == "system")
    return [*turns[:first], *turns[first + 2 * gone :]], spare - gone
