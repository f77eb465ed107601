"""One answer on its way: from the thread that generates it to the connection that waits, in the interface's shapes."""

from __future__ import annotations

import asyncio
import time
import uuid
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from executors.serve.asked import BadFormError, Done, NoDatabaseError, TooLongError
from executors.serve.requests import ApiError
from planner.documents import AdaptError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from concurrent.futures import Executor

    from executors.serve.asked import Ask, Ready
    from executors.serve.variants import Variant


class StoppingError(ApiError):
    """Nobody is answered any more."""

    def __init__(self) -> None:
        super().__init__(503, "The server stops.", code="stopping")


class Answering(Protocol):
    """What the server asks of an engine."""

    @property
    def variants(self) -> Mapping[str, Variant]:
        """What it answers as, by name."""

    def read(self, ask: Ask) -> Ready:
        """A request as tokens."""

    def answer(self, ready: Ready, say: Callable[[str], None], stopped: Callable[[], bool]) -> Done:
        """Generate, piece by piece."""


class Answer:
    """The answer to one request."""

    def __init__(self, ask: Ask, engine: Answering, thread: Executor) -> None:
        self.ask, self.engine, self.thread = ask, engine, thread
        self.id = f"{'cmpl' if ask.turns is None else 'chatcmpl'}-{uuid.uuid4().hex[:24]}"
        self.created = int(time.time())
        self.stop = Event()
        """Set when nobody waits any more."""
        self.took_s = 0.0
        """From its first step to its last; 0 before."""
        self.ready: Ready | None = None
        self.done: Done | None = None

    async def read(self) -> None:
        """Make the request ready, in its turn.

        Raises:
            ApiError: it does not fit, or cannot be read.
        """
        loop = asyncio.get_running_loop()
        try:
            self.ready = await loop.run_in_executor(self.thread, self.engine.read, self.ask)
        except TooLongError as error:
            raise ApiError(400, str(error), code="context_length_exceeded", param=error.param) from error
        except NoDatabaseError as error:
            raise ApiError(400, str(error), param="database") from error
        except BadFormError as error:
            raise ApiError(400, str(error), param="response_format") from error
        except AdaptError as error:
            raise ApiError(500, str(error)) from error

    async def pieces(self) -> AsyncIterator[str]:
        """The pieces of the answer as they come.

        Raises:
            ApiError: the model failed.
        """
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[str | Done | Exception]()
        ready = self.ready

        def tell(item: str | Done | Exception) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, item)

        def work() -> None:
            try:
                if ready is None or self.stop.is_set():
                    tell(StoppingError())
                else:
                    began = time.monotonic()
                    done = self.engine.answer(ready, tell, self.stop.is_set)
                    self.took_s = time.monotonic() - began
                    tell(done)
            except Exception as error:  # noqa: BLE001 - told to the client as what it is
                tell(error)

        working = loop.run_in_executor(self.thread, work)
        try:
            while isinstance(item := await queue.get(), str):
                yield item
        except asyncio.CancelledError as error:
            # The server ends, and waits no longer.
            raise StoppingError from error
        finally:
            self.stop.set()
        await working
        if isinstance(item, ApiError):
            raise item
        if isinstance(item, Done) and item.reason == "stopped":
            raise StoppingError
        if isinstance(item, Exception):
            raise ApiError(500, f"The model failed: {item}") from item
        self.done = item

    def whole(self, text: str) -> dict[str, Any]:
        """The answer in one piece."""
        reason = self.done.reason if self.done else None
        if self.ask.turns is None:
            choice: dict[str, Any] = {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}
            return {**self._head("text_completion"), "choices": [choice], "usage": self.usage}
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": self._logprobs(), "finish_reason": reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage, **self._passages()}

    def chunk(self, text: str | None, reason: str | None = None, *, first: bool = False) -> dict[str, Any]:
        """A part of the answer in a stream."""
        if self.ask.turns is None:
            choice: dict[str, Any] = {"index": 0, "text": text or "", "logprobs": None, "finish_reason": reason}
            return {**self._head("text_completion"), "choices": [choice]}
        delta = ({"role": "assistant"} if first else {}) | ({} if text is None else {"content": text})
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        said = self._passages() if first else {}
        return {**self._head("chat.completion.chunk"), "choices": [choice], **said}

    def counted(self) -> dict[str, Any]:
        """The last part of a stream that was asked to count its tokens."""
        kind = "text_completion" if self.ask.turns is None else "chat.completion.chunk"
        return {**self._head(kind), "choices": [], "usage": self.usage}

    @property
    def usage(self) -> dict[str, int] | None:
        """Tokens read and made."""
        if self.done is None:
            return None
        read, made = self.done.tokens_in, self.done.tokens_out
        return {"prompt_tokens": read, "completion_tokens": made, "total_tokens": read + made}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.ask.model}

    def _logprobs(self) -> dict[str, Any] | None:
        if self.ask.logprobs is None or self.done is None:
            return None
        content = [
            {**_token(each.text, each.logprob), "top_logprobs": [_token(*other) for other in each.others]}
            for each in self.done.likely
        ]
        return {"content": content, "refusal": None}

    def _passages(self) -> dict[str, Any]:
        """Beyond the interface: the documents that the prompt was given passages of."""
        found = self.ready.passages if self.ready else ()
        return {"passages": list(found)} if found else {}


def _token(text: str, logprob: float) -> dict[str, Any]:
    """A token as the interface tells it; one that is a part of a letter has no bytes of its own here."""
    own = None if "\ufffd" in text else list(text.encode())
    return {"token": text, "logprob": logprob, "bytes": own}
