"""What servers say is read or refused, whatever it is; what they refuse is left out, and no more than that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.evaluate.backends import Answer
from executors.evaluate.case import AnswerForm
from executors.evaluate.chat_api import GarbageError, leaves_form, read_reply, request_parameters
from executors.evaluate.refusals import fewer_examples, too_long, without_refused
from planner.documents import Endpoint

ENDPOINT = Endpoint(url="http://localhost/v1", model="m")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["choices", "message", "content", "usage", "finish_reason", "error"]), inner)
    ),
    max_leaves=12,
)


def read(text: str) -> Answer | None:
    try:
        return read_reply(text, "application/json")
    except GarbageError as error:
        assert str(error)
        return None


@given(st.text() | VALUES.map(json.dumps) | VALUES.map(lambda value: json.dumps({"choices": [value]})))
def test_any_body_is_an_answer_or_garbage(text: str) -> None:
    answer = read(text)
    if answer is not None:
        answer.text.encode()
        assert answer.tokens is None or answer.tokens >= 0


@pytest.mark.parametrize(
    ("message", "finish", "wanted"),
    [
        ({"content": " hi \n"}, "stop", Answer("hi")),
        ({"content": ""}, "stop", Answer("")),
        ({"content": "so lo"}, "length", Answer("so lo", cut=True)),
        ({"content": None, "reasoning_content": "hm"}, "length", Answer("", cut=True)),
        ({"content": None, "refusal": "I will not."}, "stop", Answer("I will not.")),
        ({"content": None, "tool_calls": []}, "stop", None),
        ({"content": [{"type": "text"}]}, "stop", None),
        ("hi", "stop", None),
    ],
)
def test_an_answer_is_the_text_of_the_first_choice(message: Any, finish: str, wanted: Answer | None) -> None:
    assert read(json.dumps({"choices": [{"message": message, "finish_reason": finish}]})) == wanted


def test_tokens_are_those_that_the_server_counts() -> None:
    reply = {"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    assert read(json.dumps(reply)) == Answer("hi", tokens=2, tokens_in=7)
    assert read(json.dumps(reply | {"usage": {"prompt_tokens": -1, "completion_tokens": True}})) == Answer("hi")


def test_refusals_are_taken_one_by_one_until_nothing_can_be_left_out() -> None:
    asked = request_parameters(ENDPOINT, 5, "schema", AnswerForm("json", {"type": "object"}))
    assert asked.keys() == {"model", "max_tokens", "temperature", "seed", "response_format"}
    no_seed = without_refused(asked, "unknown parameter: seed")
    assert no_seed is not None and asked.keys() - no_seed.keys() == {"seed"}
    renamed = without_refused(no_seed, "use max_completion_tokens")
    assert renamed is not None and renamed["max_completion_tokens"] == 5 and "max_tokens" not in renamed
    older = without_refused(renamed, "no")
    assert older is not None
    assert older["response_format"] == {"type": "json_object", "schema": {"type": "object"}}
    free = without_refused(older, "no")
    assert free is not None and older.keys() - free.keys() == {"response_format"}
    assert without_refused(free, "no") is None


@pytest.mark.parametrize(
    ("answer", "decoding", "leaves"),
    [
        (Answer("a"), "labels", False),
        (Answer("c"), "labels", True),
        (Answer("c", cut=True), "labels", False),
        (Answer("", error="HTTP 500"), "labels", False),
        (Answer("c"), "free", False),
        (Answer('{"x": 1}'), "schema", False),
        (Answer('{"y": 1}'), "schema", True),
        (Answer("so: {}"), "grammar", True),
    ],
)
def test_a_whole_answer_outside_of_its_form_is_seen(answer: Answer, decoding: Any, leaves: bool) -> None:
    form = AnswerForm("json", {"required": ["x"]}, ("a", "b"))
    assert leaves_form(answer, decoding, form) is leaves


def test_what_leaves_a_pattern_is_seen_and_a_grammar_is_trusted() -> None:
    form = AnswerForm("text", grammar="[0-9]+")
    assert [leaves_form(Answer(text), "pattern", form) for text in ("12", "twelve")] == [False, True]
    assert not leaves_form(Answer("twelve"), "grammar", form)


def test_examples_are_left_out_a_quarter_at_a_time_the_first_ones_first() -> None:
    turns = [{"role": "system", "content": "s"}]
    for number in range(5):
        turns += [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": f"a{number}"}]
    turns.append({"role": "user", "content": "now"})
    kept, spare = fewer_examples(turns, 5)
    assert (spare, [turn["content"] for turn in kept]) == (3, ["s", "q2", "a2", "q3", "a3", "q4", "a4", "now"])
    kept, spare = fewer_examples(kept[1:], 3)
    assert (spare, kept[0]["content"]) == (2, "q3")


@pytest.mark.parametrize(
    ("said", "long"),
    [
        ("This model's maximum context length is 4096 tokens.", True),
        ("the request exceeds the available context size", True),
        ("prompt is too long: 9000 tokens", True),
        ("json_schema is not supported", False),
    ],
)
def test_a_refusal_for_length_is_told_from_others(said: str, long: bool) -> None:
    assert too_long(said) is long
