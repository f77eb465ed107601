from __future__ import annotations

import pytest

from executors.data import Row
from executors.prompt.document import Example, make_prompt
from executors.prompt.examples import choose
from executors.prompt.nearest import prompts_for

POOL = tuple(
    Example(id=str(number), prompt=text, completion="x")
    for number, text in enumerate(["play some jazz", "book a table for two", "rate this book five", "play the blues"])
)
ROWS = [Row(example.id, example.prompt, ("music", "table", "book", "music")[int(example.id)]) for example in POOL]


def test_the_nearest_example_stands_last() -> None:
    shown = prompts_for(make_prompt("do", POOL, nearest=2), [Row("r", "please play some blues", None)])[0].examples
    assert [example.prompt for example in shown] == ["play some jazz", "play the blues"] or [
        example.prompt for example in shown
    ] == ["play the blues", "play some jazz"]
    assert len(shown) == 2


def test_a_request_is_never_its_own_example() -> None:
    (prompt,) = prompts_for(make_prompt("do", POOL, nearest=3), [Row("r", POOL[1].prompt, None)])
    assert POOL[1] not in prompt.examples
    assert len(prompt.examples) == 3


def test_a_prompt_without_a_choice_is_the_same_for_every_row() -> None:
    prompt = make_prompt("do", POOL)
    assert prompts_for(prompt, ROWS) == [prompt] * len(ROWS)


def test_where_there_is_nothing_to_choose_from_nothing_is_shown() -> None:
    prompt = make_prompt("do", (), nearest=2)
    assert prompts_for(prompt, ROWS) == [prompt] * len(ROWS)


def test_requests_without_a_word_are_as_near_as_any() -> None:
    pool = tuple(Example(id=mark, prompt=mark, completion="x") for mark in ("?", "!", "..."))
    (prompt,) = prompts_for(make_prompt("do", pool, nearest=1), [Row("r", "?", None)])
    assert [example.prompt for example in prompt.examples] == ["!"]


def test_prompts_that_choose_have_another_id() -> None:
    assert make_prompt("do", POOL, nearest=2).id != make_prompt("do", POOL).id != make_prompt("do", POOL[:2]).id


@pytest.mark.parametrize("select", ["diverse", "similar"])
def test_examples_of_every_kind_or_all_of_them(select: str) -> None:
    found = choose(ROWS, 3, select=select, seed=0, label=None)  # type: ignore[arg-type]
    assert len(found) == {"diverse": 3, "similar": 4}[select]
    assert len({example.id for example in found}) == len(found)
