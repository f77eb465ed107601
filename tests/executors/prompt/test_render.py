from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.data import Row
from executors.models import load_tokenizer
from executors.prompt.document import Example, make_prompt
from executors.prompt.render import (
    PLAIN_STOP,
    answer,
    completion_ids,
    final_answer,
    fitted_ids,
    messages,
    prompt_ids,
    render,
    turn_end_id,
    turn_ids,
)

if TYPE_CHECKING:
    from pathlib import Path

PROMPT = make_prompt("Do as asked.", (Example(id="a", prompt="turn on the fan", completion="on"),))
ROW = Row("r", "turn off the lamp", "off")


def test_the_conversation_is_system_examples_request() -> None:
    assert [turn["role"] for turn in messages(PROMPT, ROW)] == ["system", "user", "assistant", "user"]


def test_a_system_turn_of_the_row_joins_the_prompts_own() -> None:
    row = Row("r", "again", None, ({"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}))
    turns = messages(make_prompt("Do as asked."), row)
    assert turns[0] == {"role": "system", "content": "Do as asked.\n\nBe kind."}
    assert [turn["role"] for turn in turns] == ["system", "user", "user"]


class Refusing:
    """A tokenizer whose template, like Gemma's, knows no system turn."""

    chat_template = "yes"

    def apply_chat_template(self, turns: list[dict[str, str]], **options: Any) -> str:
        from jinja2.exceptions import TemplateError

        if turns[0]["role"] == "system":
            raise TemplateError("System role not supported")
        return "|".join(turn["content"] for turn in turns)


class Dropping(Refusing):
    """A tokenizer whose template says nothing and leaves the system turn out."""

    def apply_chat_template(self, turns: list[dict[str, str]], **options: Any) -> str:
        return "|".join(turn["content"] for turn in turns if turn["role"] != "system")


@pytest.mark.parametrize("tokenizer", [Refusing(), Dropping()])
def test_a_template_without_system_turns_gets_the_text_in_the_first_request(tokenizer: Any) -> None:
    assert render(tokenizer, PROMPT, ROW) == "Do as asked.\n\nturn on the fan|on|turn off the lamp"


@pytest.mark.slow
def test_training_tokens_continue_the_serving_prompt_exactly(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    whole = tokenizer.apply_chat_template(
        [*messages(PROMPT, ROW), {"role": "assistant", "content": "off"}], tokenize=False
    )
    ids = prompt_ids(tokenizer, PROMPT, ROW) + completion_ids(tokenizer, "off")
    assert tokenizer.decode(ids) + "\n" == whole
    assert turn_end_id(tokenizer) == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert answer(tokenizer, completion_ids(tokenizer, "off")) == "off"


@pytest.mark.slow
def test_a_base_model_reads_the_plain_format(tiny_base_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_base_model)
    assert render(tokenizer, PROMPT, ROW) == (
        "Do as asked.\n\nInput: turn on the fan\nOutput: on\n\nInput: turn off the lamp\nOutput:"
    )
    assert tokenizer.decode(completion_ids(tokenizer, "off")) == " off<|endoftext|>"
    said = tokenizer(f" off\n{PLAIN_STOP}: more", add_special_tokens=False)["input_ids"]
    assert answer(tokenizer, said) == "off"


def test_what_stands_after_the_request_is_said_last(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    text = render(tokenizer, make_prompt("System.", after="Remember."), Row("a", "turn on", None))
    assert "user\nturn on\n\nRemember.<|im_end|>" in text


def test_examples_far_from_the_request_go_first_and_nothing_else_goes(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    shown = tuple(Example(id=str(number), prompt=f"ask {number}", completion=f"say {number}") for number in range(4))
    turns = messages(make_prompt("System.", shown), Row("a", "turn on", None))
    sizes = [len(turn_ids(tokenizer, turns[:1] + turns[1 + 2 * gone :])) for gone in range(5)]
    assert fitted_ids(tokenizer, turns, 4, None) == (turn_ids(tokenizer, turns), 0)
    for gone, room in enumerate(sizes):
        ids, left_out = fitted_ids(tokenizer, turns, 4, room)
        assert (len(ids), left_out) == (room, gone)
    ids, left_out = fitted_ids(tokenizer, turns, 4, sizes[-1] - 1)
    assert (len(ids), left_out) == (sizes[-1], 4), "what is too long without any example is told as it is"
    assert fitted_ids(tokenizer, turns, 2, sizes[-1])[1] == 2


def test_an_answer_is_what_stands_after_the_last_mark() -> None:
    prompt = make_prompt("Think.", answer_mark="Answer:")
    assert final_answer(prompt, "Answer: no, wait.\nAnswer: 42") == "42"
    assert final_answer(prompt, "42") == "42"
    assert final_answer(make_prompt("Say."), "Answer: 42") == "Answer: 42"
