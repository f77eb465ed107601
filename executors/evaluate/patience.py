"""How long a server that fails is asked on: one failing case costs only itself, a server that is not there the step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from planner.documents import AdaptError, InputError, RunError

if TYPE_CHECKING:
    from planner.documents import Endpoint

# `key` and `model`: refused for what was given. `unreachable`: no connection. `request`: this one is refused.
FailureKind = Literal["key", "model", "unreachable", "request", "other"]
HOPELESS = frozenset({"key", "model", "unreachable"})
# Failures in a row, without an answer between them, after which the rest would fail too.
MOST_HOPELESS, MOST = 5, 20
AGAIN = "Run the same command then: answers that came so far are kept."


class Failure(NamedTuple):
    """Why a question got no answer."""

    kind: FailureKind
    message: str


class Patience:
    """Watches failures in the order in which they come."""

    def __init__(self, endpoint: Endpoint, questions: int) -> None:
        """Start with `questions` to be asked."""
        self.endpoint, self.questions = endpoint, questions
        self.in_a_row: list[Failure] = []

    def see(self, failure: Failure | None) -> None:
        """Note a failure, or None for an answer.

        Raises:
            InputError: the server refuses what it was given, again and again.
            RunError: it cannot be reached or answers nothing.
        """
        if failure is None:
            self.in_a_row.clear()
            return
        self.in_a_row.append(failure)
        hopeless = all(each.kind in HOPELESS for each in self.in_a_row)
        if len(self.in_a_row) >= (min(MOST_HOPELESS, self.questions) if hopeless else MOST):
            raise self.sentence()

    def sentence(self) -> AdaptError:
        """The error of the last failure, in one sentence."""
        kind, said = self.in_a_row[-1]
        url, model, variable = self.endpoint.url, self.endpoint.model, self.endpoint.api_key_env
        if kind == "key":
            fix = f"Correct the key in the environment variable {variable}." if variable else "Name `api_key_env`."
            return InputError.one("EVAL011", f"The server {url} refuses the key: {said}.", fix, pointer="/endpoint")
        if kind == "model":
            fix = "Correct `url` (most end in /v1) or `model`."
            message = f"The server {url} does not know the address or the model `{model}`: {said}."
            return InputError.one("EVAL012", message, fix, pointer="/endpoint")
        if kind == "unreachable":
            message = f"The server {url} cannot be reached: {said}."
            return RunError.one("RUN191", message, f"Start it or correct `url`. {AGAIN}", pointer="/endpoint")
        message = f"The server {url} failed {len(self.in_a_row)} times in a row, at last with: {said}."
        if kind == "request":
            return InputError.one("EVAL013", message, "Shorten the prompt or change the model.", pointer="/endpoint")
        return RunError.one("RUN192", message, f"Look into the server's log. {AGAIN}", pointer="/endpoint")
