"""What a request cannot have: each is told in the shape of the interface, and the server answers on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

from executors.serve.app import Service
from executors.serve.engine import Engine
from tests.executors.serve.running import ASKED, Running, answer, schema, sent

if TYPE_CHECKING:
    from executors.serve.variants import Served

# peft asks transformers by a name that is on its way out.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")]


def test_what_changes_no_answer_may_be_said(client: openai.OpenAI) -> None:
    more: dict[str, Any] = {"user": "me", "metadata": {"a": "b"}, "store": False, "tools": [], "logit_bias": {}}
    assert answer(client, "tenant-1", **more, extra_body={"top_k": None}) == answer(client, "tenant-1")


@pytest.mark.parametrize(
    ("more", "code", "word"),
    [
        ({"model": "tenant-3"}, "model_not_found", "tenant-"),
        ({"messages": []}, "empty_array", "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "invalid_value", "messages[0].role"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}, None, "of the user"),
        (
            {"messages": [{"role": "user", "content": [{"type": "file"}]}]},
            "invalid_value",
            "messages[0].content[0].type",
        ),
        ({"messages": [*ASKED, {"role": "assistant", "content": "x", "tool_calls": [{}]}]}, None, "tool_calls"),
        ({"max_tokens": 0}, "integer_below_min_value", "max_tokens"),
        ({"max_tokens": 5000}, "context_length_exceeded", "reads 512 tokens"),
        ({"messages": [{"role": "user", "content": "on " * 900}]}, "context_length_exceeded", "reads 512 tokens"),
        ({"temperature": 3}, None, "temperature"),
        ({"top_p": 0}, None, "top_p"),
        ({"seed": 2**64}, None, "seed"),
        ({"n": 2}, "unsupported_value", "n: this server does not do that"),
        ({"logit_bias": {"5": 1}}, None, "logit_bias"),
        ({"stop": ["a"] * 5}, "array_above_max_length", "stop"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "unsupported_value", "tools"),
        ({"top_logprobs": 2}, None, "come with logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "integer_above_max_value", "top_logprobs"),
        ({"logprobs": True, "stream": True}, None, "not in a stream"),
        ({"response_format": {"type": "json_schema"}}, None, "response_format"),
        ({"response_format": schema({"type": "lamp"})}, None, "cannot be constrained"),
        ({"response_format": schema({"$ref": "#/nowhere"})}, None, "cannot be constrained"),
        ({"extra_body": {"top_k": 5}}, "unknown_parameter", "top_k: this server does not know it"),
    ],
)
def test_what_cannot_be_done_is_refused(
    client: openai.OpenAI, more: dict[str, Any], code: str | None, word: str
) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(**{"model": "tenant-1", "messages": ASKED, **more})
    assert refused.value.status_code == (404 if code == "model_not_found" else 400)
    error: Any = refused.value.body
    assert word in error["message"]
    assert error["type"] == "invalid_request_error"
    assert code is None or error["code"] == code
    # The field that is to be corrected is named by its first part, as the interface does.
    assert error["param"] is None or error["param"].partition("[")[0].partition(".")[0] in {*more, "top_k"}


def test_a_body_of_ten_megabytes_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="tenant-1", messages=[{"role": "user", "content": "x" * 10_000_000}])
    assert refused.value.status_code == 413
    assert answer(client, "tenant-1")


@pytest.mark.parametrize("body", [b"{bad", b"", b"\xff\xfe", b"[1]", b"3", b"[" * 200_000, b'{"user": "\\ud83d"}'])
def test_a_body_that_is_no_object_is_refused(running: Running, body: bytes) -> None:
    status, answered = sent(running, "POST", "/v1/chat/completions", body)
    assert status == 400
    assert "JSON" in answered["error"]["message"]


def test_other_paths_and_methods_are_told_in_the_same_shape(running: Running) -> None:
    for path, status in (("/v1/nothing", 404), ("/v1/chat/completions", 405)):
        found, answered = sent(running, "GET", path)
        assert found == status
        assert answered["error"]["type"] == "invalid_request_error"
        assert answered["error"]["param"] is None
    assert sent(running, "GET", "/health") == (200, {"status": "ok"})


def test_a_key_is_asked_for(served: Served) -> None:
    with Running(Service(Engine(served), key="right")) as found:
        with pytest.raises(openai.AuthenticationError):
            found.client("wrong").models.list()
        assert len(list(found.client("right").models.list())) == 3


def test_a_text_that_is_empty_is_begun(client: openai.OpenAI) -> None:
    made = client.completions.create(model="tiny/base", prompt="", max_tokens=3)
    assert made.usage is not None
    assert made.usage.prompt_tokens == 1
    with pytest.raises(openai.BadRequestError, match=r"prompt\[0\]") as refused:
        client.completions.create(model="tiny/base", prompt=[1, 2])
    assert refused.value.param == "prompt[0]"
