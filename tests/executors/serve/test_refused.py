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
    more: dict[str, Any] = {"user": "me", "metadata": {"a": "b"}, "store": False, "tools": [], "logit_bias": None}
    assert answer(client, "tenant-1", **more, extra_body={"top_k": None}) == answer(client, "tenant-1")


@pytest.mark.parametrize(
    ("more", "status", "word"),
    [
        ({"model": "tenant-3"}, 404, "tenant-"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}, 400, "of the user"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": 5000}, 400, "reads 512 tokens"),
        ({"temperature": 3}, 400, "temperature"),
        ({"top_p": 0}, 400, "top_p"),
        ({"n": 2}, 400, "n:"),
        ({"stop": ["a"] * 5}, 400, "stop"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "tools"),
        ({"top_logprobs": 2}, 400, "come with logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, 400, "top_logprobs"),
        ({"logprobs": True, "stream": True}, 400, "not in a stream"),
        ({"response_format": {"type": "json_schema"}}, 400, "response_format"),
        ({"response_format": schema({"type": "lamp"})}, 400, "cannot be constrained"),
        ({"response_format": schema({"$ref": "#/nowhere"})}, 400, "cannot be constrained"),
        ({"extra_body": {"top_k": 5}}, 400, "top_k: this server does not know it"),
        ({"messages": [*ASKED, {"role": "assistant", "content": "x", "tool_calls": [{}]}]}, 400, "tool_calls"),
    ],
)
def test_what_cannot_be_done_is_refused(client: openai.OpenAI, more: dict[str, Any], status: int, word: str) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(**{"model": "tenant-1", "messages": ASKED, **more})
    assert refused.value.status_code == status
    error: Any = refused.value.body
    assert word in error["message"]
    assert error["type"] == "invalid_request_error"
    assert (error["code"] == "model_not_found") == (status == 404)


def test_a_body_of_ten_megabytes_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="tenant-1", messages=[{"role": "user", "content": "x" * 10_000_000}])
    assert refused.value.status_code == 413
    assert answer(client, "tenant-1")


@pytest.mark.parametrize("body", [b"{bad", b"", b"\xff\xfe", b"[1]", b"3"])
def test_a_body_that_is_no_object_is_refused(running: Running, body: bytes) -> None:
    status, answered = sent(running, "POST", "/v1/chat/completions", body)
    assert status == 400
    assert "JSON" in answered["error"]["message"]


def test_other_paths_and_methods_are_told_in_the_same_shape(running: Running) -> None:
    for path, status in (("/v1/nothing", 404), ("/v1/chat/completions", 405)):
        found, answered = sent(running, "GET", path)
        assert found == status
        assert answered["error"]["type"] == "invalid_request_error"
    assert sent(running, "GET", "/health") == (200, {"status": "ok"})


def test_a_key_is_asked_for(served: Served) -> None:
    with Running(Service(Engine(served), key="right")) as found:
        with pytest.raises(openai.AuthenticationError):
            found.client("wrong").models.list()
        assert len(list(found.client("right").models.list())) == 3
