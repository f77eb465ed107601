"""Conversations of which every answer is learned, not the last alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from executors.prompt.render import completion_ids, messages, rendered, turn_end_id, turn_ids

if TYPE_CHECKING:
    from executors.data import Row
    from executors.prompt.document import Prompt

Turns = list[dict[str, str]]


class Said(NamedTuple):
    """Tokens of a conversation up to an answer, and whether each is of an answer that is learned."""

    ids: list[int]
    learned: list[bool]


def answer_of(tokenizer: Any, prompt: Prompt, row: Row) -> Said:
    """A row of which the last answer is learned."""
    return _answered(tokenizer, messages(prompt, row), row.completion or "")


def all_answers_of(tokenizer: Any, prompt: Prompt, row: Row) -> list[Said]:
    """A row of which all answers are learned, each where serving would write it.

    Where the template writes an answer otherwise once more turns follow (some drop the thinking of earlier turns), each
    answer is an example of its own instead, behind the turns as they are when it is asked for.
    """
    turns = messages(prompt, row)
    last = _answered(tokenizer, turns, row.completion or "")
    # Examples of the prompt are shown, not learned.
    first = int(turns[0]["role"] == "system") + 2 * len(prompt.examples)
    answers = [at for at in range(first, len(turns)) if turns[at]["role"] == "assistant"]
    spans = [_span(tokenizer, turns, at) for at in answers]
    known = [span for span in spans if span is not None]
    if len(known) < len(spans) or not tokenizer.is_fast:
        return [*(_answered(tokenizer, turns[:at], turns[at]["content"]) for at in answers), last]
    for begin, stop in known:
        _learn(tokenizer, rendered(tokenizer, turns), begin, stop, last)
    return [last]


def _answered(tokenizer: Any, turns: Turns, answer: str) -> Said:
    asked, said = turn_ids(tokenizer, turns), completion_ids(tokenizer, answer)
    return Said([*asked, *said], [False] * len(asked) + [True] * len(said))


def _span(tokenizer: Any, turns: Turns, at: int) -> tuple[int, int] | None:
    """Where an answer stands in the text, in characters; None where it is not written as serving writes it."""
    text, opened, said = rendered(tokenizer, turns), rendered(tokenizer, turns[:at]), turns[at]["content"].strip()
    begin = text.find(said, len(opened)) if text.startswith(opened) else -1
    if begin < 0 or text[len(opened) : begin].strip():
        return None
    return len(opened), begin + len(said)


def _learn(tokenizer: Any, text: str, begin: int, stop: int, last: Said) -> None:
    """Mark the tokens of an earlier answer, and the one that ends it."""
    places = tokenizer(text, add_special_tokens=not tokenizer.chat_template, return_offsets_mapping=True)
    offsets = enumerate(places["offset_mapping"])
    inside = [number for number, (start, after) in offsets if begin <= start < after <= stop]
    for number in inside:
        last.learned[number] = True
    if inside and last.ids[inside[-1] + 1] == turn_end_id(tokenizer):
        last.learned[inside[-1] + 1] = True
