"""Answers of an OpenAI-compatible server: bounded concurrency, retries, and a cache, so that nothing is paid twice."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from executors.blob_cache import BlobCache
from executors.evaluate.api_key import Key
from executors.evaluate.backends import Answer
from executors.evaluate.chat_api import (
    GarbageError,
    Parameters,
    leaves_form,
    read_reply,
    request_parameters,
    shown,
)
from executors.evaluate.patience import Failure, Patience
from executors.evaluate.refusals import FORM, Asked, another_way, has_system, refuses_request, without_system
from planner.documents import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from anyio import Event

    from executors.evaluate.backends import Question
    from executors.evaluate.case import AnswerForm
    from executors.evaluate.constraint import Decoding
    from planner.documents import Endpoint, JsonValue

CACHE = "answers.sqlite"
# Raised when answers are kept in another way.
CACHE_FORMAT = 1
# The longest pause that the library makes because a server asked for it (`Retry-After`).
LONGEST_PAUSE_S = 120.0
FIRST_PAUSE_S = 0.5
REASONS_SHOWN = 5


class Result(NamedTuple):
    """What became of a question."""

    number: int
    """Its place among the questions."""
    answer: Answer
    failure: Failure | None
    key: bytes = b""
    """To keep the answer by; empty where there is nothing new to keep."""


class Server:
    """A server; see `Backend`. What it refuses of the parameters is left out from then on, and said once."""

    def __init__(
        self,
        endpoint: Endpoint,
        cache: Path,
        max_tokens: int,
        decoding: Decoding,
        form: AnswerForm,
        *,
        say: Callable[[str], None],
        temperature: float = 0.0,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            endpoint: where to ask, with the model's name.
            cache: folder that all steps share.
            max_tokens: longest answer.
            decoding: whether the server shall hold answers in their form.
            form: the labels or the schema.
            say: told what a person should know at once.
            temperature: of the answers to questions that have a seed.

        Raises:
            InputError: the environment has no key under the name that the endpoint gives.
        """
        self.endpoint, self.say, self.temperature = endpoint, say, temperature
        self.path = cache / CACHE
        self.decoding, self.form = decoding, form
        self.parameters = request_parameters(endpoint, max_tokens, decoding, form)
        self.key = Key.of(endpoint)
        self.cached = self.left_out = 0
        self.looked_up: frozenset[bytes] = frozenset()
        self.joined = False
        """Whether the server takes no system turn."""
        self.notes: dict[str, JsonValue] = {"endpoint": endpoint.url, "served_model": endpoint.model}

    def answers(self, questions: Sequence[Question], done: Collection[int] = ()) -> Iterator[Mapping[int, Answer]]:
        """Yield answers as they come; see `Backend`.

        Raises:
            InputError: the server refuses every request.
            RunError: it cannot be reached, or fails again and again.
        """
        waiting = [index for index in range(len(questions)) if index not in done]
        patience = Patience(self.endpoint, len(questions))
        failures, answered, outside = Counter[str](), len(done), 0
        for results in self._results([(index, questions[index]) for index in waiting]):
            yield {result.number: result.answer for result in results}
            for _, answer, failure, _ in results:
                patience.see(failure)
                outside += leaves_form(answer, self.decoding, self.form)
                failures.update([failure.message] if failure else [])
                answered += failure is None
        if waiting and not answered:
            raise patience.sentence()
        self.notes |= {"cached_answers": self.cached, "failed_answers": failures.total()}
        if failures:
            self.notes["failures"] = dict(failures.most_common(REASONS_SHOWN))
        if self.left_out:
            self.notes["examples_left_out"] = self.left_out
        if outside and set(FORM) & set(self.parameters):
            self.notes["outside_form"] = outside
            self.say(
                f"The server takes constrained decoding and does not keep to it: {outside} answers leave the form."
            )

    def _results(self, questions: Sequence[tuple[int, Question]]) -> Iterator[list[Result]]:
        """Results in the order in which they come, as many at a time as are there; the known ones first."""
        from anyio.from_thread import start_blocking_portal

        with BlobCache(self.path) as cache:
            keys = {index: self._first_key(question) for index, question in questions}
            known = cache.get([*keys.values()])
            if known:
                yield [Result(index, _kept(known[key]), None) for index, key in keys.items() if key in known]
            asked = [(index, question) for index, question in questions if keys[index] not in known]
            self.cached, self.looked_up = len(questions) - len(asked), frozenset(keys.values())
            if not asked:
                return
            results: SimpleQueue[tuple[Result, Event] | None] = SimpleQueue()
            # The loop runs in a thread of its own: a signal reaches this one at once, and ends what is still open.
            with start_blocking_portal() as portal:
                running = portal.start_task_soon(self._ask_all, asked, cache, results.put)
                running.add_done_callback(lambda _: results.put(None))
                over = False
                while not over:
                    come = [results.get()]
                    while not results.empty():
                        come.append(results.get())
                    over = None in come
                    found = [each[0] for each in come if each is not None]
                    cache.put({each.key: json.dumps(each.answer._asdict()).encode() for each in found if each.key})
                    portal.call(_release, [each[1] for each in come if each is not None])
                    if found:
                        yield found
                running.result()

    async def _ask_all(
        self, asked: Iterable[tuple[int, Question]], cache: BlobCache, put: Callable[[tuple[Result, Event]], None]
    ) -> None:
        """Ask with bounded concurrency; nothing new is asked for an answer that is not on disk yet."""
        import anyio
        import openai

        waiting = iter(asked)
        endpoint = self.endpoint
        client = openai.AsyncOpenAI(
            base_url=endpoint.url, api_key=self.key.value, timeout=endpoint.timeout_s, max_retries=endpoint.max_retries
        )

        async def work() -> None:
            for number, question in waiting:
                result, kept = Result(number, *await self._ask(client, question, cache)), anyio.Event()
                put((result, kept))
                await kept.wait()

        async with client, anyio.create_task_group() as group:
            for _ in range(endpoint.concurrency):
                group.start_soon(work)

    async def _ask(self, client: Any, question: Question, cache: BlobCache) -> tuple[Answer, Failure | None, bytes]:
        """The answer to one conversation from the server, with what it accepts, and the key to keep it by."""
        asked: Asked | None = self._first(question)
        while asked is not None:
            said = asked.parameters | self._drawn(question, asked.parameters)
            key = _cache_key(self.endpoint.url, asked.turns, said)
            known = None if key in self.looked_up else cache.get([key]).get(key)
            if known is not None:
                self.cached += 1
                self.left_out += question.spare - asked.spare
                return _kept(known), None, b""
            answer, failure = await self._request(client, asked.turns, said)
            if failure is None:
                self.left_out += question.spare - asked.spare
                self._accept(question, asked)
                return answer, None, key
            asked = another_way(asked, failure)
        return answer, failure, b""

    def _first(self, question: Question) -> Asked:
        """How a question is asked as far as is known what the server accepts."""
        joined = self.joined and has_system(question.turns)
        turns = without_system(question.turns) if joined else question.turns
        return Asked(self.parameters, turns, question.spare)

    def _first_key(self, question: Question) -> bytes:
        asked = self._first(question)
        return _cache_key(self.endpoint.url, asked.turns, asked.parameters | self._drawn(question, asked.parameters))

    def _drawn(self, question: Question, parameters: Parameters) -> Parameters:
        """What a question with a seed changes; what the server refuses it is not asked."""
        wanted = {} if question.seed is None else {"temperature": self.temperature, "seed": question.seed}
        return {name: value for name, value in wanted.items() if name in parameters}

    async def _request(
        self, client: Any, turns: list[dict[str, str]], parameters: Parameters
    ) -> tuple[Answer, Failure | None]:
        """One conversation's answer, tried again as often as the endpoint says, or why there is none."""
        import anyio
        import openai

        tries = 1 + self.endpoint.max_retries
        failure = Failure("other", "nothing was tried")
        started = time.monotonic()
        try:
            # A reply that drips in without end never times out by itself.
            with anyio.fail_after(tries * (self.endpoint.timeout_s + LONGEST_PAUSE_S)):
                for number in range(tries):
                    raw = await client.chat.completions.with_raw_response.create(messages=turns, **parameters)
                    try:
                        answer = read_reply(self.key.hidden(raw.text), raw.headers.get("content-type", ""))
                        return answer._replace(seconds=round(time.monotonic() - started, 4)), None
                    except GarbageError as error:
                        failure = Failure("other", str(error))
                    if number < tries - 1:
                        await anyio.sleep(FIRST_PAUSE_S * 2**number * random.uniform(0.75, 1))  # noqa: S311 - not a secret
        except (openai.OpenAIError, TimeoutError) as error:
            failure = self._failure(error)
        return Answer("", error=failure.message), failure

    def _failure(self, error: Exception) -> Failure:
        """An error of the library as a clause for people."""
        import openai

        if isinstance(error, openai.APITimeoutError | TimeoutError):
            return Failure("other", f"no reply within {self.endpoint.timeout_s:g} s")
        if isinstance(error, openai.APIStatusError):
            body = error.body
            said = body.get("message") if isinstance(body, dict) else None
            message = f"HTTP {error.status_code}: {shown(self.key.hidden(str(said or error.response.text)))}".rstrip(
                "."
            )
            kinds = {401: "key", 403: "key", 404: "model"}
            kind = "request" if refuses_request(error.status_code, message) else kinds.get(error.status_code, "other")
            return Failure(kind, message)  # type: ignore[arg-type]
        cause = str(error.__cause__ or error) or type(error.__cause__ or error).__name__
        kind = "unreachable" if isinstance(error, openai.APIConnectionError) else "other"
        return Failure(kind, shown(self.key.hidden(cause)).rstrip("."))  # type: ignore[arg-type]

    def _accept(self, question: Question, asked: Asked) -> None:
        """Ask like this from now on, and say once what had to change."""
        if has_system(question.turns) and not has_system(asked.turns) and not self.joined:
            self.joined = True
            self._note("The server takes no system turn; its text opens the first request.")
        lost = sorted(set(self.parameters) - set(asked.parameters))
        self.parameters = asked.parameters
        if not lost:
            return
        if set(lost) & set(FORM):
            self._note(f"The server refuses constrained decoding ({asked.refusal}); answers are free.")
        else:
            self._note(f"The server refuses {', '.join(lost)} ({asked.refusal}); it is asked without.")

    def _note(self, message: str) -> None:
        before = self.notes.get("refused")
        self.notes["refused"] = [*(before if isinstance(before, list) else []), message]
        self.say(message)


def _release(events: Iterable[Event]) -> None:
    for event in events:
        event.set()


def _kept(value: bytes) -> Answer:
    return Answer(**json.loads(value))


def _cache_key(url: str, turns: list[dict[str, str]], parameters: Parameters) -> bytes:
    asked: dict[str, Any] = {"format": CACHE_FORMAT, "url": url, "turns": turns, "parameters": parameters}
    return bytes.fromhex(digest(asked).removeprefix("sha256:"))
