"""What a teacher is asked: to write requests like those at hand, and to answer them."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from executors.evaluate.backends import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

# Requests that a teacher is shown when it is to write one more [wang-2022-self-instruct].
SHOWN = 6
# How models begin a line of a list, and what they put around a text.
MARK = re.compile(r"^\s*(?:[-*•]|\d+[.):]|request\s*\d*\s*:)\s*", re.IGNORECASE)
QUOTES = ("\"'", "“”", "``")


def new_requests(known: Sequence[str], task: str, count: int, start: int, seed: int) -> list[Question]:
    """Questions that ask for one new request each, every one with other examples and by a draw of its own.

    Args:
        known: requests of the task.
        task: what the assistant is for, in the spec's words.
        count: how many questions.
        start: the number of the first; the same number is always the same question.
        seed: of the draws.
    """
    questions = []
    for number in range(start, start + count):
        chance = random.Random(f"{seed}:request:{number}")  # noqa: S311 - a choice, not a secret
        shown = chance.sample(known, min(SHOWN, len(known)))
        listed = "\n".join(f"- {' '.join(text.split())}" for text in shown)
        about = f"The assistant's task: {task}\n\n" if task else ""
        asked = (
            f"{about}Requests of users:\n{listed}\n\n"
            "Write one more request of the same kind, about something else. Write the request only."
        )
        turns = [{"role": "user", "content": asked}]
        questions.append(Question(f"request-{number}", turns, seed=chance.randrange(2**31)))
    return questions


def request_in(said: str) -> str:
    """The request in what a teacher wrote: the first line with words, without the marks of a list and quotes."""
    line = next((line for line in said.splitlines() if re.search(r"\w", line)), "")
    text = MARK.sub("", line).strip()
    for pair in QUOTES:
        if len(text) > 1 and text[0] in pair and text[-1] in pair:
            text = text[1:-1].strip()
    return text
