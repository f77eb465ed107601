"""From a prompt and rows to questions, and from several answers to one."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from executors.evaluate.backends import Answer, Question
from executors.evaluate.final_answers import marked, plain
from executors.evaluate.text_scores import squad_normal
from executors.json_answers import Missing, parse_lenient
from executors.prompt.nearest import prompts_for
from executors.prompt.render import final_answer, messages
from executors.text_match import find_label
from planner.documents import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.data import Row
    from executors.evaluate.case import AnswerForm
    from executors.prompt.document import Prompt

Number = TypeVar("Number", int, float)


def questions_for(
    prompt: Prompt, rows: Sequence[Row], *, samples: int = 1, seed: int = 0, lead: str = ""
) -> list[Question]:
    """What a model is asked, `samples` times for each row.

    Args:
        prompt: what stands around each request.
        rows: the requests.
        samples: answers a row; more than one are drawn, each by a seed of its own.
        seed: of the draws.
        lead: what the ids of the questions start with, to tell prompts apart.
    """
    questions = []
    for one, row in zip(prompts_for(prompt, rows), rows, strict=True):
        turns, spare = messages(one, row), len(one.examples) if prompt.fit else 0
        questions += [
            Question(_key(lead, row, at, samples), turns, spare, _seed(seed, row, at) if samples > 1 else None)
            for at in range(samples)
        ]
    return questions


def answers_of_rows(
    prompt: Prompt,
    rows: Sequence[Row],
    answers: Mapping[str, Answer],
    form: AnswerForm,
    *,
    samples: int = 1,
    lead: str = "",
) -> dict[str, Answer]:
    """The answer to each row, by row id: its own, or what most of its samples say; see `questions_for`."""
    found = {}
    for row in rows:
        given = [answers[_key(lead, row, at, samples)] for at in range(samples)]
        found[row.id] = vote([each._replace(text=final_answer(prompt, each.text)) for each in given], form)
    return found


def vote(answers: Sequence[Answer], form: AnswerForm) -> Answer:
    """The first of the answers that say what most of them say, with what all of them took [wang-2022-self-consistency].

    Answers are compared as JSON, by the label in them, by the final answer that they mark, or by their words; those
    that failed have no vote.
    """
    if len(answers) == 1:
        return answers[0]
    said = [(normal_form(each.text, form), each) for each in answers if not each.error]
    if not said:
        return answers[0]
    # Of equal counts the one that was met first, as Counter keeps them.
    most = Counter(text for text, _ in said).most_common(1)[0][0]
    chosen = next(each for text, each in said if text == most)
    return chosen._replace(
        tokens=_total([each.tokens for each in answers]),
        tokens_in=_total([each.tokens_in for each in answers]),
        seconds=_total([each.seconds for each in answers]),
    )


def normal_form(text: str, form: AnswerForm) -> str:
    """What an answer says, however it is written."""
    if form.format == "json":
        value = parse_lenient(text)
        if not isinstance(value, Missing):
            return canonical_json(value)
    if form.labels:
        return find_label(text, form.labels) or text.strip()
    if form.format != "text":
        return " ".join(text.split())
    said = marked(text)
    return squad_normal(text) if said is None else plain(said)


def _total(values: Sequence[Number | None]) -> Number | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def _key(lead: str, row: Row, at: int, samples: int) -> str:
    """A question's id; without samples and lead the row's own."""
    return f"{lead}{at}/{row.id}" if samples > 1 else f"{lead}{row.id}"


def _seed(seed: int, row: Row, at: int) -> int:
    """A number of 31 bits that depends on nothing but seed, row and the number of the sample."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{at}/{row.id}".encode()).digest()[:4]) >> 1
