"""The chat API of OpenAI-compatible servers as pure functions: what is asked and what comes back."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from executors.evaluate.backends import Answer
from executors.json_answers import Missing, parse_strict

if TYPE_CHECKING:
    from executors.evaluate.case import AnswerForm
    from executors.evaluate.constraint import Decoding
    from planner.documents import Endpoint

Parameters = dict[str, Any]
SHOWN_CHARACTERS = 200


class GarbageError(Exception):
    """A reply that is no answer."""


def request_parameters(endpoint: Endpoint, max_tokens: int, decoding: Decoding, form: AnswerForm) -> Parameters:
    """What every request says beside its conversation: greedy, so that the same question has the same answer."""
    greedy = {"model": endpoint.model, "max_tokens": max_tokens, "temperature": 0, "seed": 0}
    return greedy | form_parameters(decoding, form)


def form_parameters(decoding: Decoding, form: AnswerForm) -> Parameters:
    """Constrained decoding as servers take it.

    Labels, patterns and grammars have no common name: `structured_outputs` and, before 0.12, `guided_choice` and its
    like are vLLM's, `grammar` is llama.cpp's. Each leaves the words of the others aside.
    """
    if decoding == "free":
        return {}
    if decoding == "labels":
        labels = list(form.labels)
        # JSON's escapes are those of the grammar's strings.
        grammar = "root ::= " + " | ".join(json.dumps(label, ensure_ascii=False) for label in labels)
        return {
            "extra_body": {"structured_outputs": {"choice": labels}, "guided_choice": labels, "grammar": grammar},
        }
    if form.grammar is not None and decoding == "pattern":
        return {"extra_body": {"structured_outputs": {"regex": form.grammar}, "guided_regex": form.grammar}}
    if form.grammar is not None and decoding == "grammar":
        held = {"structured_outputs": {"grammar": form.grammar}, "guided_grammar": form.grammar}
        return {"extra_body": held | {"grammar": form.grammar}}
    if form.schema is None:
        return {"response_format": {"type": "json_object"}}
    named = {"name": "answer", "schema": form.schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def leaves_form(answer: Answer, decoding: Decoding, form: AnswerForm) -> bool:
    """Whether a whole answer is not what decoding was constrained to: some servers take the parameter and forget it."""
    if decoding == "free" or answer.error or answer.cut:
        return False
    if decoding == "labels":
        return answer.text not in form.labels
    if decoding == "pattern":
        return re.fullmatch(form.grammar or "", answer.text, re.DOTALL) is None
    if form.grammar is not None:
        return False
    value = parse_strict(answer.text)
    return isinstance(value, Missing) or not form.validator.is_valid(value)


def read_reply(text: str, kind: str) -> Answer:
    """The answer in the body of a reply of a content type.

    Raises:
        GarbageError: it is no completion.
    """
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError):
        raise GarbageError(f"the reply is not JSON ({kind or 'no content type'}): {shown(text)}") from None
    if not isinstance(reply, dict):
        raise GarbageError(f"the reply is no object: {shown(text)}")
    if reply.get("error"):
        raise GarbageError(f"the reply is an error: {shown(json.dumps(reply['error']))}")
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise GarbageError("the reply has no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise GarbageError("the reply has no message")
    said, cut = message.get("content"), choices[0].get("finish_reason") == "length"
    if said in (None, "") and message.get("refusal"):
        said = message["refusal"]
    if said is None and cut:
        # A model that thinks first may use up its tokens before it says anything.
        said = ""
    if not isinstance(said, str):
        raise GarbageError("the reply has no text")
    usage = reply.get("usage") if isinstance(reply.get("usage"), dict) else {}
    # JSON may escape half a character, which no file can hold.
    whole = said.encode("utf-8", "replace").decode("utf-8").strip()
    return Answer(whole, tokens=_count(usage, "completion_tokens"), tokens_in=_count(usage, "prompt_tokens"), cut=cut)


def shown(text: str) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split()) or "an empty body"
    return line if len(line) <= SHOWN_CHARACTERS else line[:SHOWN_CHARACTERS] + "..."


def _count(usage: Any, name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
