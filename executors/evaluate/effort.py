"""What answers took: latency, tokens and dollars, each a case with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.intervals import mean, median
from planner.documents import Measurement

if TYPE_CHECKING:
    from collections.abc import Collection

    from executors.evaluate.backends import Answer
    from planner.documents import Endpoint

MILLION = 1e6


def effort(answers: Collection[Answer], endpoint: Endpoint | None, seed: int) -> dict[str, Measurement]:
    """Median seconds and mean tokens of an answer, and its mean price where the endpoint names one.

    Of a server also how many cases came back without an answer; those count nowhere else here.
    """
    given = [answer for answer in answers if not answer.error]
    seconds = [answer.seconds for answer in given if answer.seconds is not None]
    tokens = [float(answer.tokens) for answer in given if answer.tokens is not None]
    measured = {}
    if seconds:
        measured["latency_s"] = median(seconds)
    if tokens:
        measured["tokens_per_answer"] = mean(tokens, seed)
    if endpoint is not None:
        prices = [price for answer in given if (price := _price(answer, endpoint)) is not None]
        if prices:
            measured["usd_per_answer"] = mean(prices, seed)
        failed = len(answers) - len(given)
        measured["failed_answers"] = Measurement(value=float(failed), n=len(answers))
    return measured


def _price(answer: Answer, endpoint: Endpoint) -> float | None:
    """Dollars of one answer; None while a price or a count is not known."""
    read, written = endpoint.input_usd_per_million_tokens, endpoint.output_usd_per_million_tokens
    if read is None or written is None or answer.tokens_in is None or answer.tokens is None:
        return None
    return (answer.tokens_in * read + answer.tokens * written) / MILLION
