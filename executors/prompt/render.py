"""From a prompt and a row to the tokens that a model reads: the one place for training and for serving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.prompt.infilling import infill_ids, marks_of, parts
from planner.documents.public_rows import HOLE

if TYPE_CHECKING:
    from executors.data import Row
    from executors.prompt.document import Prompt

# For base models, which have no chat template.
PLAIN_TURN = "Input: {prompt}\nOutput:"
PLAIN_STOP = "\nInput:"
TABLES = "create table"


def messages(prompt: Prompt, row: Row) -> list[dict[str, str]]:
    """The conversation up to and including the row's request: system text, examples, earlier turns, request."""
    turns = [{"role": "system", "content": prompt.system}] if prompt.system else []
    for shown in prompt.examples:
        turns += [{"role": "user", "content": shown.prompt}, {"role": "assistant", "content": shown.completion}]
    before = list(row.before)
    if turns and before and before[0]["role"] == "system":
        # Templates accept one system turn, at the start.
        said = before.pop(0)["content"]
        turns[0] = {"role": "system", "content": f"{prompt.system}\n\n{said}" if prompt.system else said}
    # Some rows bring the definitions of their tables.
    tables = "" if TABLES in row.prompt.casefold() else prompt.tables.get(row.db_id, "")
    request = "\n\n".join(part for part in (tables, row.prompt, prompt.after) if part)
    return [*turns, *before, {"role": "user", "content": request}]


def render(tokenizer: Any, prompt: Prompt, row: Row) -> str:
    """The text that the model continues: the chat template with its generation prompt, or the plain format."""
    return rendered(tokenizer, messages(prompt, row))


def rendered(tokenizer: Any, turns: list[dict[str, str]]) -> str:
    """The text of a conversation that waits for its answer; see `render`."""
    return _chat(tokenizer, turns) if tokenizer.chat_template else _plain(turns)


def prompt_ids(tokenizer: Any, prompt: Prompt, row: Row) -> list[int]:
    """The tokens of `render`; special tokens are the template's own, the tokenizer's for the plain format."""
    return turn_ids(tokenizer, messages(prompt, row))


def turn_ids(tokenizer: Any, turns: list[dict[str, str]]) -> list[int]:
    """The tokens of a conversation that waits for its answer; see `prompt_ids`."""
    gap, marks = parts(turns[-1]["content"]), marks_of(tokenizer) if HOLE in turns[-1]["content"] else None
    if gap and marks:
        # A model that was trained to fill gaps is asked as it was trained, without instruction and examples.
        return infill_ids(tokenizer, marks, *gap)
    text = rendered(tokenizer, turns)
    ids: list[int] = tokenizer(text, add_special_tokens=not tokenizer.chat_template)["input_ids"]
    if not tokenizer.chat_template and ids and ids[-1] == tokenizer.eos_token_id:
        return ids[:-1]
    return ids


def fitted_ids(tokenizer: Any, turns: list[dict[str, str]], examples: int, room: int | None) -> tuple[list[int], int]:
    """The tokens of a conversation that may leave out its first examples, and how many it left out.

    The first examples go first: those stand farthest from the request, and where they are chosen for it, they are the
    least like it.

    Args:
        tokenizer: of the model that reads.
        turns: system text where there is any, examples as two turns each, then what must stay.
        examples: how many examples may go.
        room: tokens that the context window leaves to the prompt; None for no limit.
    """
    first = int(turns[0]["role"] == "system")
    for left_out in range(examples + 1):
        ids = turn_ids(tokenizer, [*turns[:first], *turns[first + 2 * left_out :]])
        if room is None or len(ids) <= room:
            break
    return ids, left_out


def completion_ids(tokenizer: Any, completion: str) -> list[int]:
    """The tokens that the model shall answer with, the end of the turn included."""
    text = completion if tokenizer.chat_template else f" {completion}"
    return [*tokenizer(text, add_special_tokens=False)["input_ids"], turn_end_id(tokenizer)]


def turn_end_id(tokenizer: Any) -> int:
    """The token with which the template ends an answer; the tokenizer's end token where it has none of its own."""
    if tokenizer.chat_template:
        probe = "the answer"
        turns = [{"role": "user", "content": "a question"}, {"role": "assistant", "content": probe}]
        tail = tokenizer.apply_chat_template(turns, tokenize=False).rpartition(probe)[2]
        special = set(tokenizer.all_special_ids)
        for token in tokenizer(tail, add_special_tokens=False)["input_ids"]:
            if token in special:
                return int(token)
    return int(tokenizer.eos_token_id)


def answer(tokenizer: Any, ids: list[int]) -> str:
    """The text of generated tokens: without special tokens, cut where a base model starts the next input."""
    text: str = tokenizer.decode(ids, skip_special_tokens=True)
    return text.strip() if tokenizer.chat_template else text.partition(PLAIN_STOP)[0].strip()


def final_answer(prompt: Prompt, text: str) -> str:
    """What stands after the prompt's last mark; the whole text where it has no mark or the model wrote none."""
    return text.rpartition(prompt.answer_mark)[2].strip() if prompt.answer_mark else text


def _chat(tokenizer: Any, turns: list[dict[str, str]]) -> str:
    from jinja2.exceptions import TemplateError

    system = turns[0]["content"] if turns[0]["role"] == "system" else ""
    try:
        text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        if system.strip() in text:
            return text
    except TemplateError:
        if not system:
            raise
    # Some templates refuse or drop a system turn: then it opens the first request.
    first = {"role": "user", "content": f"{system}\n\n{turns[1]['content']}"}
    return str(tokenizer.apply_chat_template([first, *turns[2:]], tokenize=False, add_generation_prompt=True))


def _plain(turns: list[dict[str, str]]) -> str:
    parts = []
    for turn in turns:
        if turn["role"] == "system":
            parts.append(turn["content"] + "\n\n")
        elif turn["role"] == "user":
            parts.append(PLAIN_TURN.format(prompt=turn["content"]))
        else:
            parts.append(f" {turn['content']}\n\n")
    return "".join(parts)
