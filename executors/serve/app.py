"""The interface of OpenAI over one engine: models, chat, completions, in whole or as a stream."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from executors.serve.answers import Answer
from executors.serve.requests import ApiError, ChatRequest, CompletionRequest, parse
from planner.documents import near

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from executors.serve.answers import Answering

# A request is some thousand words at most; beyond this it is not read.
BODY_BYTES = 2 * 2**20
# What is thrown away of a body that is too large, so that its sender hears why.
DRAINED_BYTES = 64 * 2**20
# Requests that wait for their turn; the next one is told to come back.
QUEUE = 16
# Longest pause that a client is asked for, in seconds: the official one keeps to no longer one.
RETRY_S = 60
# How often somebody is looked for at the other end, in seconds.
LOOK_S = 0.2


class Service:
    """Answers requests one after another."""

    def __init__(self, engine: Answering, *, queue: int = QUEUE, key: str | None = None) -> None:
        """Prepare.

        Args:
            engine: what answers; used by one thread.
            queue: requests that may be in hand or wait.
            key: what clients must bring as a bearer token; None asks for nothing.
        """
        self.engine, self.queue, self.key = engine, queue, key
        self.open: set[Answer] = set()
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="answers")
        self.started = int(time.time())
        self.took_s = 0.0
        """Seconds of the last answer."""

    async def models(self, request: Request) -> Response:
        """All models by name."""
        self._check_key(request)
        return JSONResponse({"object": "list", "data": [self._model(name) for name in self.engine.variants]})

    async def model(self, request: Request) -> Response:
        """One model."""
        self._check_key(request)
        return JSONResponse(self._model(self._known(request.path_params["name"])))

    async def chat(self, request: Request) -> Response:
        """An answer to a conversation."""
        return await self._answer(request, ChatRequest)

    async def complete(self, request: Request) -> Response:
        """A text continued."""
        return await self._answer(request, CompletionRequest)

    def close(self) -> None:
        """Let everything go that is being answered."""
        for answer in self.open:
            answer.stop.set()
        self.thread.shutdown(wait=True, cancel_futures=True)

    def _check_key(self, request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if self.key is not None and not hmac.compare_digest(given.encode(), self.key.encode()):
            raise ApiError(401, "The API key is missing or wrong.", code="invalid_api_key")

    def _model(self, name: str) -> dict[str, Any]:
        prompt = self.engine.variants[name].prompt
        databases = {"databases": sorted(prompt.tables)} if prompt and prompt.tables else {}
        return {"id": name, "object": "model", "created": self.started, "owned_by": "adapt", **databases}

    def _known(self, name: str) -> str:
        if name not in self.engine.variants:
            fix = near(name, self.engine.variants) or f"Here are: {', '.join(self.engine.variants)}."
            message = f"The model `{name}` does not exist. {fix}"
            raise ApiError(404, message, code="model_not_found", param="model")
        return name

    async def _answer(self, request: Request, kind: type[ChatRequest | CompletionRequest]) -> Response:
        self._check_key(request)
        asked = parse(kind, await _json(request))
        answer = Answer(asked.ask(), self.engine, self.thread)
        self._known(asked.model)
        if len(self.open) >= self.queue:
            raise self._overloaded()
        self.open.add(answer)
        try:
            await answer.read()
            if not asked.stream:
                return JSONResponse(answer.whole(await _listened(answer, request)))
        except BaseException:
            self._close(answer)
            raise
        finally:
            if not asked.stream:
                self._close(answer)
        counted = bool(asked.stream_options and asked.stream_options.include_usage)
        return StreamingResponse(self._stream(answer, counted=counted), media_type="text/event-stream")

    def _close(self, answer: Answer) -> None:
        self.open.discard(answer)
        self.took_s = answer.took_s or self.took_s

    def _overloaded(self) -> ApiError:
        """That the queue is full; it is worth asking again when what is in hand may have been answered."""
        error = ApiError(503, f"{len(self.open)} requests are in hand; try again later.", code="overloaded")
        error.headers = {"Retry-After": str(min(max(round(len(self.open) * self.took_s), 1), RETRY_S))}
        return error

    async def _stream(self, answer: Answer, *, counted: bool) -> AsyncIterator[str]:
        try:
            if answer.ask.turns is not None:
                yield _event(answer.chunk("", first=True))
            async for piece in answer.pieces():
                yield _event(answer.chunk(piece))
            yield _event(answer.chunk(None, answer.done.reason if answer.done else None))
            if counted:
                yield _event(answer.counted())
            yield "data: [DONE]\n\n"
        except ApiError as error:
            yield _event(error.body)
        finally:
            answer.stop.set()
            self._close(answer)


def make_app(service: Service) -> Starlette:
    """The application; its paths are those of OpenAI's interface."""

    @asynccontextmanager
    async def living(_: Starlette) -> AsyncIterator[None]:
        yield
        service.close()

    routes = [
        Route("/v1/models", service.models),
        Route("/v1/models/{name:path}", service.model),
        Route("/v1/chat/completions", service.chat, methods=["POST"]),
        Route("/v1/completions", service.complete, methods=["POST"]),
        Route("/health", _health),
    ]
    handlers = {ApiError: _told, HTTPException: _http, Exception: _failed}
    return Starlette(routes=routes, exception_handlers=handlers, lifespan=living)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _json(request: Request) -> object:
    """The body as JSON values, if it is not too large."""
    body = bytearray()
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= BODY_BYTES:
            body += piece
        elif size > DRAINED_BYTES:
            break
    if size > BODY_BYTES:
        message = f"The body is larger than {BODY_BYTES // 2**20} MB."
        raise ApiError(413, message, code="request_too_large")
    try:
        found = json.loads(body)
        if b"\\u" in body:
            # Halves of characters are written as JSON, and are no text.
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"The body is not JSON: {error}.") from error
    return found


async def _listened(answer: Answer, request: Request) -> str:
    """The whole text; generation stops when the client goes away."""

    async def look() -> None:
        while not await request.is_disconnected():
            await asyncio.sleep(LOOK_S)
        answer.stop.set()

    looking = asyncio.create_task(look())
    try:
        return "".join([piece async for piece in answer.pieces()])
    finally:
        looking.cancel()


def _event(values: dict[str, Any]) -> str:
    return f"data: {json.dumps(values, ensure_ascii=False)}\n\n"


async def _told(_: Request, error: Exception) -> Response:
    found = error if isinstance(error, ApiError) else ApiError(500, str(error))
    return JSONResponse(found.body, status_code=found.status, headers=found.headers)


async def _http(request: Request, error: Exception) -> Response:
    status = int(getattr(error, "status_code", 500))
    said = {404: f"There is no {request.url.path} here.", 405: f"{request.url.path} does not take {request.method}."}
    body = ApiError(status, said.get(status, str(error))).body
    return JSONResponse(body, status_code=status, headers=getattr(error, "headers", None))


async def _failed(_: Request, error: Exception) -> Response:
    return JSONResponse(ApiError(500, f"The server failed: {type(error).__name__}.").body, status_code=500)
