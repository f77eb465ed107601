"""A server in a thread of the tests, its official client, and requests to it."""

from __future__ import annotations

import json
import threading
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import openai

from executors.serve.app import make_app
from executors.serve.server import bind

if TYPE_CHECKING:
    from executors.serve.app import Service

ASKED = [{"role": "user", "content": "turn on the lamp in the kitchen"}]


def schema(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "lamp", "schema": values}}


class Running:
    """A server in a thread."""

    def __init__(self, service: Service) -> None:
        import uvicorn

        self.service, self.socket = service, bind("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.server = uvicorn.Server(uvicorn.Config(make_app(service), log_level="error", lifespan="on"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.clients: list[openai.OpenAI] = []

    def __enter__(self) -> Running:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()
        self.server.should_exit = True
        self.thread.join(60)
        assert not self.thread.is_alive()

    def client(self, key: str = "none") -> openai.OpenAI:
        made = openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=60)
        self.clients.append(made)
        return made


def answer(client: openai.OpenAI, model: str, **more: Any) -> str:
    made = client.chat.completions.create(model=model, messages=ASKED, max_tokens=12, **more)  # type: ignore[call-overload]
    text = made.choices[0].message.content
    assert isinstance(text, str)
    return text


def sent(running: Running, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    """Status and JSON of an answer to raw bytes."""
    connection = HTTPConnection(*running.socket.getsockname(), timeout=30)
    connection.request(method, path, body)
    answered = connection.getresponse()
    found = answered.status, json.loads(answered.read())
    connection.close()
    return found
