from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from executors.data import read_file
from executors.prompt.document import make_prompt
from executors.prompt.infilling import Marks, gap_ends, infill_ids, marks_of, parts
from executors.prompt.render import prompt_ids

if TYPE_CHECKING:
    from pathlib import Path


class Letters:
    """A tokenizer of letters, with a beginning and the marks that it is given."""

    def __init__(self, *marks: str, begins: bool = False) -> None:
        self.marks, self.begins, self.bos_token_id = marks, begins, 1
        self.chat_template = None

    def get_vocab(self) -> dict[str, int]:
        return {mark: 1000 + number for number, mark in enumerate(self.marks)}

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> Any:
        begin = [1] if self.begins and add_special_tokens else []
        return {"input_ids": [*begin, *map(ord, text)]}


@pytest.mark.parametrize(
    "words",
    [
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
        ("▁<PRE>", "▁<SUF>", "▁<MID>"),
        ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # noqa: RUF001
    ],
)
def test_marks_are_found_by_the_vocabulary(words: tuple[str, ...]) -> None:
    assert marks_of(Letters("x", *words)) == Marks(1001, 1002, 1003)
    assert marks_of(Letters(*words[:2])) is None
    assert gap_ends(Letters(*words, "▁<EOT>")) == [1003]


def test_both_orders() -> None:
    tokenizer, marks = Letters(begins=True), Marks(7, 8, 9)
    assert infill_ids(tokenizer, marks, "a", "b") == [1, 7, 97, 8, 98, 9]
    assert infill_ids(tokenizer, marks, "a", "b", suffix_first=True) == [1, 7, 8, 98, 9, 97]
    assert infill_ids(Letters(), marks, "", "") == [7, 8, 9]


def test_a_request_with_one_hole() -> None:
    assert parts("a<FILL_ME>b") == ("a", "b")
    assert parts("a") is None
    assert parts("a<FILL_ME>b<FILL_ME>c") is None


@pytest.mark.parametrize(
    "row",
    [
        {"prefix": "def f(", "suffix": "): pass", "middle": "x"},
        {"prompt": "def f(", "suffix": "): pass", "canonical_solution": "x"},
        {"prompt": "def f(<FILL_ME>): pass", "completion": "x"},
    ],
)
def test_rows_with_a_gap_are_asked_by_the_marks_of_the_model(tmp_path: Path, row: dict[str, str]) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row), encoding="utf-8")
    [read] = read_file(file).rows
    assert (read.prompt, read.completion) == ("def f(<FILL_ME>): pass", "x")
    tokenizer = Letters("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
    expected = [1000, *map(ord, "def f("), 1001, *map(ord, "): pass"), 1002]
    assert prompt_ids(tokenizer, make_prompt("Complete the code."), read) == expected


def test_a_model_without_marks_sees_the_hole() -> None:
    tokenizer = Letters()
    tokenizer.eos_token_id = 2  # type: ignore[attr-defined]
    row: Any = SimpleNamespace(prompt="a<FILL_ME>b", before=(), db_id="")
    text = "".join(map(chr, prompt_ids(tokenizer, make_prompt("Fill."), row)))
    assert text == "Fill.\n\nInput: a<FILL_ME>b\nOutput:"
