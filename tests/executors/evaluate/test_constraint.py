from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from executors.evaluate.case import AnswerForm
from executors.evaluate.constraint import Constraint
from executors.evaluate.generation import Generation, generate
from planner.documents import InputError
from tests.executors.tiny import TINY_SCHEMA, make_tiny_model

if TYPE_CHECKING:
    from pathlib import Path

    from executors.evaluate.constraint import Decoding

LABELS = AnswerForm("label", labels=("on", "on hold", 'a "quoted" one', "été"))


def answers(folder: Path, decoding: Decoding, form: AnswerForm, tokens: int = 60) -> list[str]:
    """What a model of random weights answers when it is held to a form."""
    from executors.models import load_model, load_tokenizer

    tokenizer, model = load_tokenizer(folder), load_model(folder, "fp32", device="cpu")
    stops = frozenset({int(tokenizer.eos_token_id)})
    constraint = Constraint(decoding, form, tokenizer, model.get_output_embeddings().weight.shape[0], stops)
    how = Generation(tokens, 3, stops, int(tokenizer.pad_token_id), constraint)
    prompts = [
        tokenizer(f"turn it {word}")["input_ids"] for word in ("on", "off", "round", "again and again", "a", "b")
    ]
    made: dict[int, list[int]] = {}
    for group in generate(model, prompts, how):
        made |= group
    return [tokenizer.decode(made[at], skip_special_tokens=True).strip() for at in range(len(prompts))]


@pytest.mark.slow
def test_an_answer_is_always_one_of_the_labels(tiny_model: Path) -> None:
    found = answers(tiny_model, "labels", LABELS)
    assert set(found) <= set(LABELS.labels)


@pytest.mark.slow
def test_a_base_model_answers_with_labels_too(tiny_base_model: Path) -> None:
    assert set(answers(tiny_base_model, "labels", LABELS)) <= set(LABELS.labels)


@pytest.mark.slow
def test_an_answer_that_ends_is_valid_by_the_schema(tiny_model: Path) -> None:
    from jsonschema import Draft202012Validator

    fixed = {
        "type": "object",
        "properties": {"intent": {"enum": ["on", "off"]}, "level": {"type": "integer", "minimum": 0, "maximum": 9}},
        "required": ["intent", "level"],
        "additionalProperties": False,
    }
    for text in answers(tiny_model, "schema", AnswerForm("json", fixed), tokens=120):
        Draft202012Validator(fixed).validate(json.loads(text))


@pytest.mark.slow
@pytest.mark.parametrize("chat", [True, False])
def test_a_pattern_and_a_grammar_of_the_users_hold_every_answer(tmp_path: Path, chat: bool) -> None:
    model = make_tiny_model(tmp_path, chat=chat)
    dates = answers(model, "pattern", AnswerForm("text", grammar=r"[0-9]{4}-[0-9]{2}"), tokens=40)
    assert all(re.fullmatch(r"[0-9]{4}-[0-9]{2}", text) for text in dates)
    sql = 'root ::= "SELECT " ("a" | "b") " FROM t" (" WHERE a = " [0-9])?'
    for text in answers(model, "grammar", AnswerForm("sql", grammar=sql), tokens=60):
        assert re.fullmatch(r"SELECT (a|b) FROM t( WHERE a = [0-9])?", text)
    for decoding, wrong in (("pattern", "(ab"), ("grammar", "root ::= (")):
        with pytest.raises(InputError, match="Answers cannot be constrained"):
            answers(model, decoding, AnswerForm("text", grammar=wrong), tokens=4)


@pytest.mark.slow
def test_what_cannot_be_constrained_is_said(tiny_model: Path) -> None:
    with pytest.raises(InputError, match="no labels are given"):
        answers(tiny_model, "labels", AnswerForm("label"))
    with pytest.raises(InputError, match="no grammar for the format sql"):
        answers(tiny_model, "grammar", AnswerForm("sql"))
    assert answers(tiny_model, "schema", AnswerForm("json", TINY_SCHEMA), tokens=4)
