"""A real HTTP server with the chat API of OpenAI, in a thread, that goes wrong as it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Body = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What the server sends for one request."""

    status: int = 200
    content: str | None = None
    """The body as it is; None for a completion with `text`."""
    text: str = "fine"
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    wait_s: float = 0.0
    cut: bool = False
    """Close the connection in the middle of the body."""


def completion(text: str, body: Body) -> str:
    words = sum(len(turn["content"].split()) for turn in body["messages"])
    return json.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": words, "completion_tokens": len(text.split()), "total_tokens": words},
        }
    )


class ChatServer(ThreadingHTTPServer):
    """Counts what it is asked, and how many requests are open at once."""

    daemon_threads = True

    def __init__(self, answer: Callable[[Body, int], Reply]) -> None:
        """Listen on a free port; `answer` gets a request and how often its question came before."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.lock = threading.Lock()
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.asked: Counter[str] = Counter()
        self.times: list[float] = []
        self.open = self.most_open = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChatServer

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = body["messages"][-1]["content"]
        with server.lock:
            before = server.asked[question]
            server.asked[question] += 1
            server.bodies.append(body)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            server.times.append(time.monotonic())
            server.open += 1
            server.most_open = max(server.most_open, server.open)
        try:
            self._send(server.answer(body, before), body)
        finally:
            with server.lock:
                server.open -= 1

    def _send(self, reply: Reply, body: Body) -> None:
        time.sleep(reply.wait_s)
        content = (completion(reply.text, body) if reply.content is None else reply.content).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": reply.kind, **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if reply.cut else content)
        if reply.cut:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def chat_server(answer: Callable[[Body, int], Reply]) -> Iterator[ChatServer]:
    server = ChatServer(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
