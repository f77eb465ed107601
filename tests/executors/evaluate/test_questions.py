from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.data import Row
from executors.evaluate import Evaluate
from executors.evaluate.answering import ask
from executors.evaluate.backends import Answer
from executors.evaluate.case import AnswerForm
from executors.evaluate.questions import answers_of_rows, normal_form, questions_for, vote
from executors.prompt.document import Example, make_prompt, write_prompt
from tests.executors.evaluate.test_evaluate import job, records

if TYPE_CHECKING:
    from pathlib import Path

TEXT = AnswerForm("text")
ROWS = [Row("a", "one", "1"), Row("b", "two", "2")]


def test_without_samples_a_question_has_its_rows_id_and_no_seed() -> None:
    found = questions_for(make_prompt("Say."), ROWS)
    assert [(question.id, question.seed, question.spare) for question in found] == [("a", None, 0), ("b", None, 0)]


def test_each_sample_has_a_seed_that_depends_on_its_row_alone() -> None:
    prompt = make_prompt("Say.")
    both = questions_for(prompt, ROWS, samples=3, seed=1)
    assert len({question.id for question in both}) == len({question.seed for question in both}) == 6
    assert questions_for(prompt, ROWS[1:], samples=3, seed=1) == both[3:]
    other = questions_for(prompt, ROWS, samples=3, seed=2)
    assert not {question.seed for question in both} & {question.seed for question in other}


def test_only_a_prompt_that_may_leaves_examples_out() -> None:
    shown = (Example(id="x", prompt="zero", completion="0"),)
    assert [question.spare for question in questions_for(make_prompt("Say.", shown, fit=True), ROWS)] == [1, 1]
    assert [question.spare for question in questions_for(make_prompt("Say.", shown), ROWS)] == [0, 0]


def test_the_answer_that_most_say_counts_with_what_all_of_them_took() -> None:
    said = [Answer("Paris", 1, 9, 0.5), Answer("Rome.", 2, 9, 0.5), Answer("rome", 3, 9, 0.5)]
    assert vote(said, TEXT) == Answer("Rome.", 6, 27, 1.5)


def test_of_equal_counts_the_first_answer_counts_and_failures_have_no_vote() -> None:
    assert vote([Answer("b"), Answer("a")], TEXT).text == "b"
    failed = Answer("", error="timeout")
    assert vote([failed, failed, Answer("a")], TEXT).text == "a"
    assert vote([failed, failed], TEXT).error == "timeout"


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=9))
def test_no_other_answer_has_more_votes(texts: list[str]) -> None:
    chosen = vote([Answer(text) for text in texts], TEXT).text
    # A lone "a" is an article and normal only to nothing: still one answer of its own.
    assert texts.count(chosen) == max(map(texts.count, texts))


@pytest.mark.parametrize(
    ("form", "one", "other"),
    [
        (AnswerForm("json"), '{"a": 1, "b": 2}', 'so: {"b":2,"a":1}'),
        (AnswerForm("label", labels=("on", "off")), "off", "It is off."),
        (TEXT, "The  Answer!", "answer"),
        (AnswerForm("sql"), "SELECT  1", "SELECT 1 "),
    ],
)
def test_answers_that_say_the_same_are_one(form: AnswerForm, one: str, other: str) -> None:
    assert normal_form(one, form) == normal_form(other, form)


def test_what_stands_before_the_mark_is_no_part_of_an_answer() -> None:
    answers = {"a": Answer("First 1. Answer: 2", 9), "b": Answer("3", 1)}
    found = answers_of_rows(make_prompt("Think.", answer_mark="Answer:"), ROWS, answers, TEXT)
    assert {key: answer.text for key, answer in found.items()} == {"a": "2", "b": "3"}


@pytest.mark.slow
def test_several_answers_are_drawn_kept_and_voted_on(tmp_path: Path, tiny_model: Path) -> None:
    def texts(**changed: Any) -> dict[str, str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        work, _ = job(folder, tiny_model, **changed)
        Evaluate().perform(work)
        kept = (work.checkpoints / "predictions.jsonl").read_bytes()
        assert kept.count(b"\n") == changed.get("rows", 10) * changed.get("samples", 1)
        return {record["id"]: record["prediction"] for record in records(work)}

    drawn = texts(samples=3, temperature=2.0)
    assert drawn == texts(samples=3, temperature=2.0, batch_size=5), "what a row draws depends on nothing beside it"
    assert texts(rows=3, samples=3, temperature=2.0).items() <= drawn.items()
    assert drawn != texts(samples=3, temperature=2.0, seed=5)
    assert drawn != texts()
    assert texts(samples=3, temperature=1e-4) == texts(), "without chance the likeliest answer wins"


@pytest.mark.slow
def test_examples_that_do_not_fit_are_left_out_where_the_prompt_allows_it(tmp_path: Path, tiny_model: Path) -> None:
    work, _ = job(tmp_path, tiny_model, rows=3)
    shown = tuple(Example(id=str(at), prompt="turn on the lamp " * 5, completion="on") for at in range(40))
    write_prompt(make_prompt("Do as asked.", shown, fit=True), tmp_path / "prompt.json")
    notes = Evaluate().perform(work).notes
    assert notes["examples_left_out"] % 3 == 0  # type: ignore[operator]
    assert 400 < notes["longest_prompt_tokens"] <= 512 - 8  # type: ignore[operator]


@pytest.mark.parametrize(("asked", "chosen", "shown"), [(None, None, None), (None, 2, 2), (4, 2, 4)])
def test_a_prompt_that_was_chosen_with_passages_is_asked_with_as_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int | None, chosen: int | None, shown: int | None
) -> None:
    counts: list[int | None] = []

    class Index:
        def __init__(self, *where: object) -> None:
            del where

        def retrieve(self, queries: list[str], k: int | None) -> list[list[Any]]:
            counts.append(k)
            return [[] for _ in queries]

    monkeypatch.setattr("executors.retrieve.index.Index", Index)
    work, _ = job(tmp_path, tmp_path, passages=asked)
    write_prompt(make_prompt("Say.", passages=chosen), tmp_path / "prompt.json")
    ask(replace(work, inputs={**work.inputs, "index": tmp_path}), ROWS)
    assert counts == [shown]
