"""Requests that wait, clients that go, and a server that ends."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest

from executors.serve.app import Service
from executors.serve.engine import Engine
from executors.serve.server import bind
from planner.documents import InputError
from tests.executors.serve.running import ASKED, Running, answer

if TYPE_CHECKING:
    from executors.serve.variants import Served

# peft asks transformers by a name that is on its way out.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")]


class Slow:
    """An engine that answers when it is let."""

    def __init__(self, served: Served) -> None:
        self.variants = {variant.name: variant for variant in served.variants}
        self.go, self.begun, self.given_up = threading.Event(), threading.Event(), threading.Event()

    def read(self, ask: Any) -> Any:
        from executors.serve.asked import Ready

        return Ready(ask, self.variants[ask.model], [1], 4, ())

    def answer(self, ready: Any, say: Any, stopped: Any) -> Any:
        from executors.serve.asked import Done

        say("a")
        self.begun.set()
        while not self.go.is_set() and not stopped():
            time.sleep(0.01)
        if stopped():
            self.given_up.set()
        return Done(1, 1, "stop")


def test_a_full_queue_is_told(served: Served) -> None:
    engine = Slow(served)
    with Running(Service(engine, queue=2)) as found:
        threads = [threading.Thread(target=answer, args=(found.client(), "tenant-1")) for _ in range(2)]
        for thread in threads:
            thread.start()
        while len(found.service.open) < 2:
            time.sleep(0.01)
        with pytest.raises(openai.InternalServerError) as refused:
            answer(found.client(), "tenant-1")
        assert refused.value.status_code == 503
        assert refused.value.response.headers["retry-after"] == "1"
        found.service.took_s = 4.2
        with pytest.raises(openai.InternalServerError) as later:
            answer(found.client(), "tenant-1")
        assert later.value.response.headers["retry-after"] == "8", "two answers are in hand"
        engine.go.set()
        for thread in threads:
            thread.join()
        assert answer(found.client(), "tenant-1") == "a"
        assert not found.service.open


@pytest.mark.parametrize("stream", [True, False])
def test_nobody_is_answered_who_has_gone(served: Served, *, stream: bool) -> None:
    engine = Slow(served)
    with Running(Service(engine)) as found:
        host, port = found.socket.getsockname()
        body = json.dumps({"model": "tenant-1", "messages": ASKED, "stream": stream})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((host, port)) as connection:
            connection.sendall((head + body).encode())
            while not found.service.open:
                time.sleep(0.01)
            time.sleep(0.1)
        assert engine.given_up.wait(10)
        while found.service.open:
            time.sleep(0.01)


def test_an_end_lets_go_of_answers_on_their_way(served: Served) -> None:
    engine, told = Slow(served), list[str]()
    with Running(Service(engine)) as found:
        thread = threading.Thread(target=lambda: told.append(answer(found.client(), "tenant-1")))
        thread.start()
        assert engine.begun.wait(60)
        for one in found.service.open:
            one.stop.set()
        thread.join(60)
    assert told == ["a"]
    assert engine.given_up.is_set()


def test_a_stream_that_an_end_cuts_does_not_look_whole(served: Served) -> None:
    engine = Engine(served)
    schema = {"type": "array", "minItems": 400, "items": {"type": "integer"}}
    held = {"type": "json_schema", "json_schema": {"name": "long", "schema": schema}}
    with Running(Service(engine)) as found:
        stream = found.client().chat.completions.create(
            model="tiny/base",
            messages=ASKED,
            stream=True,
            response_format=held,
            max_tokens=400,  # type: ignore[call-overload]
        )
        with pytest.raises(openai.APIError, match="The server stops") as told:
            for chunk in stream:
                if chunk.choices[0].delta.content:
                    for one in found.service.open:
                        one.stop.set()
                assert chunk.choices[0].finish_reason is None
    assert told.value.code == "stopping"


def test_an_end_refuses_what_has_not_begun(served: Served) -> None:
    """A request whose turn has not come is told so, and does not wait for ever."""
    engine, told = Slow(served), list[openai.APIStatusError]()

    def refused(client: openai.OpenAI) -> None:
        with pytest.raises(openai.InternalServerError) as error:
            answer(client, "tenant-2")
        told.append(error.value)

    with Running(Service(engine)) as found:
        first = threading.Thread(target=answer, args=(found.client(), "tenant-1"))
        first.start()
        assert engine.begun.wait(60)
        second = threading.Thread(target=refused, args=(found.client(),))
        second.start()
        while len(found.service.open) < 2:
            time.sleep(0.01)
        for one in found.service.open:
            one.stop.set()
        first.join(60)
        second.join(60)
    assert [(error.status_code, error.code) for error in told] == [(503, "stopping")]


def test_a_port_in_use_is_told() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(InputError, match="in use"):
        bind("127.0.0.1", taken.getsockname()[1])
