from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from executors.prompt.composing import Asked, compose
from executors.prompt.document import make_prompt, read_prompt, write_prompt
from executors.prompt.template import fill, read_template, template_names
from planner.documents import InputError, digest
from tests.executors.tiny import TINY_SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

ASKED = Asked("Do as asked.", "json", TINY_SCHEMA)
# A template that changes changes results: raise the versions of `prompt` and `prompt-search` with it.
IDS = {
    "form-first": "sha256:907bb6a1743d66afa369afaf983a05b73b8728b595b65ee37bed6608810aee40",
    "plain": "sha256:28edab5331d41d96d6ac5f7ff4db15daae81b08b10844c91b4852111ea0a3ca4",
    "repeated": "sha256:fb7d24d0e56c7791673c0d20c3958697df2248450e2c9d5ecdea43c9c5ca2d6b",
    "step-by-step": "sha256:7d2600ba475fd634f63c95865057cc701a55d04b9feaac24ddfcaec689b92cdf",
}


def test_templates_have_the_ids_of_their_content() -> None:
    assert {name: read_template(name).id for name in template_names()} == IDS


def test_what_is_said_about_a_template_is_no_part_of_its_id() -> None:
    plain = read_template("plain")
    assert plain.model_copy(update={"says": "another word"}).id == plain.id
    assert plain.model_copy(update={"after": "again"}).id != plain.id


def test_an_unknown_template_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="no prompt template `plane`"):
        read_template("plane")


def test_lines_without_anything_to_say_are_left_out() -> None:
    assert fill("{one}\nfixed {two}\n{two}\n", {"one": "", "two": "said {one}"}) == "fixed {two}\nsaid {one}"


@pytest.mark.parametrize("name", ["plain", "form-first", "repeated"])
def test_each_template_says_task_shape_and_form(name: str) -> None:
    prompt = compose(ASKED, name)
    for part in ("Do as asked.", '"intent": "on" | "off"', "one line of JSON"):
        assert part in prompt.system
    assert prompt.template == name
    assert prompt.template_id == read_template(name).id


def test_the_task_stands_again_after_the_request_only_where_the_template_says_so() -> None:
    assert compose(ASKED, "repeated").after == "Do as asked.\nAnswer with one line of JSON and nothing else."
    assert compose(ASKED, "plain").after == ""
    assert len({compose(ASKED, name).id for name in ("plain", "form-first", "repeated")}) == 3


def test_reasoning_suits_free_text_alone() -> None:
    steps = read_template("step-by-step")
    assert steps.suits("text")
    assert not steps.suits("json")
    assert read_template("plain").suits("sql")
    assert steps.answer_mark in steps.system


def test_a_prompt_written_before_there_were_templates_is_still_read(tmp_path: Path) -> None:
    old = {"format": "adapt.prompt/1", "id": "sha256:x", "system": "Say.", "examples": [], "nearest": None}
    (tmp_path / "old").write_text(json.dumps(old), encoding="utf-8")
    found = read_prompt(tmp_path / "old")
    assert (found.system, found.after, found.template, found.fit) == ("Say.", "", None, False)


def test_a_prompts_id_follows_from_what_the_model_reads() -> None:
    plain = make_prompt("Say.")
    assert plain.id == make_prompt("Say.", template="plain", template_id="sha256:x").id
    others = [{"after": "Again."}, {"passages": 3}, {"fit": True}, {"answer_mark": "A:"}, {"thinking_tokens": 9}]
    assert len({plain.id, *(make_prompt("Say.", **each).id for each in others)}) == 1 + len(others)
    assert plain.id == digest({"system": "Say.", "examples": []})


def test_a_prompt_comes_back_as_it_was_written(tmp_path: Path) -> None:
    prompt = compose(ASKED, "repeated", nearest=4, passages=2, fit=True)
    write_prompt(prompt, tmp_path / "prompt")
    assert read_prompt(tmp_path / "prompt") == prompt
