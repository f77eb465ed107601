"""The rows of an export: what the plan's own training reads and learns, in the shape of each tool."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from executors.export.recipes import RECIPES
from executors.export.trainings import trainings
from planner.documents import InputError
from tests.executors.export.cases import INSTRUCTION, training_sources
from tests.executors.export.rendering import render
from tests.executors.tiny import tiny_rows

if TYPE_CHECKING:
    from pathlib import Path

SAID = [row["prompt"] for row in tiny_rows(40)]


def test_rows_are_the_conversations_that_training_sees(tmp_path: Path) -> None:
    row = json.loads(render(tmp_path, "trl", "lora").files["data/train.jsonl"].splitlines()[0])
    assert row["prompt"][0] == {"role": "system", "content": INSTRUCTION}
    assert row["prompt"][1] == {"role": "user", "content": "turn on the lamp in the kitchen"}
    assert json.loads(row["completion"][0]["content"])["intent"] == "on"


def test_a_model_without_a_template_is_given_text(tmp_path: Path) -> None:
    row = json.loads(render(tmp_path, "trl", "lora", chat=False).files["data/train.jsonl"].splitlines()[0])
    assert row["prompt"] == f"{INSTRUCTION}\n\nInput: turn on the lamp in the kitchen\nOutput:"
    assert row["completion"].startswith(" {")


def test_only_the_answer_is_learned_in_axolotl(tmp_path: Path) -> None:
    row = json.loads(render(tmp_path, "axolotl", "lora").files["train.jsonl"].splitlines()[0])
    assert [turn["train"] for turn in row["messages"]] == [False, False, True]


ASKED = [row["prompt"] for row in tiny_rows(12)]


def test_all_answers_of_a_conversation_are_learned_where_a_tool_can(tmp_path: Path) -> None:
    """Natively by three; the others are given a row for each answer, and it is said."""
    every = {tool: render(tmp_path, tool, "turns", learn_turns="all") for tool in RECIPES}
    axolotl, openai = (
        json.loads(every[tool].files["train.jsonl"].splitlines()[0])["messages"] for tool in ("axolotl", "openai")
    )
    assert [turn["train"] for turn in axolotl] == [False, False, True, False, True]
    assert [turn.get("weight") for turn in openai] == [None, None, 1, None, None]
    assert "mask_history: false" in every["llama-factory"].files["llama_factory.yaml"]
    for tool in ("trl", "unsloth"):
        rows = [json.loads(line) for line in every[tool].files["data/train.jsonl"].splitlines()]
        assert [len(row["prompt"]) for row in rows[:2]] == [2, 4]
        assert [row["prompt"][-1]["content"] for row in rows[:2]] == [ASKED[0], ASKED[-1]]
        assert any("24 rows of 12" in each.message for each in every[tool].findings)


def test_without_a_template_each_answer_is_a_text_of_its_own(tmp_path: Path) -> None:
    for tool in ("trl", "axolotl", "llama-factory"):
        files = render(tmp_path, tool, "turns", learn_turns="all", chat=False).files
        rows = next(content for name, content in files.items() if name.endswith("train.jsonl"))
        first, second = (json.loads(row) for row in rows.splitlines()[:2])
        assert first["prompt"] == f"{INSTRUCTION}\n\nInput: {ASKED[0]}\nOutput:"
        assert second["prompt"].startswith(f"{first['prompt']}{first['completion']}")


def test_a_head_has_a_script_with_the_labels_in_their_order(tmp_path: Path) -> None:
    files = render(tmp_path, "trl", "head").files
    assert "LABELS = ['on', 'off']" in files["train.py"]
    assert json.loads(files["data/train.jsonl"].splitlines()[0]) == {
        "text": "turn on the lamp in the kitchen", "label": "on",
    }  # fmt: skip


def test_gaps_are_rows_that_a_tool_reads_as_the_plan_does(tmp_path: Path) -> None:
    """Request and answer together are the tokens that the plan's own training learns from; the marks are told."""
    from executors.models import load_tokenizer
    from executors.prompt.infilling import ADDED

    files = {tool: render(tmp_path, tool, "infilling").files for tool in ("trl", "axolotl", "llama-factory")}
    rows = [json.loads(line) for line in files["trl"]["data/train.jsonl"].splitlines()]
    tokenizer = load_tokenizer(tmp_path / "base")
    orders = set()
    for row in rows:
        prefix, suffix, middle = (row["prompt"].find(mark) for mark in ADDED)
        assert min(prefix, suffix, middle) >= 0
        orders.add(row["prompt"].endswith(ADDED[2]))
        text = row["prompt"] + row["completion"]
        for mark in (*ADDED, tokenizer.eos_token):
            text = text.replace(mark, "")
        assert sorted(text) in [sorted(f"{each} is what people say at home.") for each in SAID]
    assert orders == {True, False}, "the prefix stands first in some, and the suffix in others"
    assert f"MARKS = {list(ADDED)!r}" in files["trl"]["train.py"]
    assert yaml.safe_load(files["axolotl"]["axolotl.yml"])["tokens"] == list(ADDED)
    assert yaml.safe_load(files["llama-factory"]["llama_factory.yaml"])["add_special_tokens"] == ",".join(ADDED)
    told = json.loads(files["llama-factory"]["train.jsonl"].splitlines()[0])
    assert (told["prompt"], told["completion"]) == (rows[0]["prompt"], rows[0]["completion"])


def test_rows_that_changed_since_the_plan_are_refused(tmp_path: Path) -> None:
    sources = training_sources(tmp_path, "lora")
    (tmp_path / "train.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    with pytest.raises(InputError, match="has changed"):
        trainings(sources)


def test_a_comparison_of_equal_answers_is_refused(tmp_path: Path) -> None:
    from executors.export.rows import comparisons
    from executors.prompt.document import make_prompt

    file = tmp_path / "pairs.jsonl"
    rows = [
        {"id": "same", "prompt": "a", "chosen": "b", "rejected": "b"},
        {"prompt": "a", "chosen": "b", "rejected": "c"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match="1 rows do not hold two different answers, such as same"):
        comparisons(file, make_prompt(""), single=False, chat=True)


def test_too_few_rows_for_an_upload_are_refused(tmp_path: Path) -> None:
    [training] = trainings(training_sources(tmp_path, "lora"))
    del training.train[9:]
    with pytest.raises(InputError, match="wants 10"):
        RECIPES["openai"](training)
