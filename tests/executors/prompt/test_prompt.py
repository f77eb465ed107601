from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.contract import Job, Site
from executors.data import Row
from executors.prompt import Prompt, PromptParams
from executors.prompt.document import Example, make_prompt, read_prompt
from executors.prompt.examples import choose
from executors.prompt.outline import outline
from planner.documents import Input, InputError, Step
from tests.executors.tiny import TINY_SCHEMA, tiny_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path

SITE = Site(device="cpu", device_memory_bytes=8 * 10**9, cores=2, disk_free_bytes=10**9)


def params(**changed: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "instruction": "Turn the request into a command.",
        "schema": TINY_SCHEMA,
        "labels": None,
        "format": "json",
        "show_form": True,
        "examples": 0,
        "select": "balanced",
        "seed": 0,
    }
    return given | changed


def make(tmp_path: Path, *, rows: int | None = 40, **changed: Any) -> Path:
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    inputs = {} if rows is None else {"train": write_rows(tmp_path / "train.jsonl", tiny_rows(rows))}
    job = Job(
        "prompt/few-shot",
        PromptParams.model_validate(params(**changed)),
        inputs,
        out,
        tmp_path,
        lambda event: None,
        tmp_path,
    )
    Prompt().perform(job)
    return out / "prompt"


def test_the_prompt_says_task_shape_and_form(tmp_path: Path) -> None:
    assert read_prompt(make(tmp_path)).system == (
        "Turn the request into a command.\n"
        'Shape: {"intent": "on" | "off", "slots": {name: text}}\n'
        "Answer with one line of JSON and nothing else."
    )


def test_labels_stand_in_the_prompt(tmp_path: Path) -> None:
    prompt = read_prompt(make(tmp_path, schema=None, format="label", labels=["on", "off"]))
    assert "Labels: on, off." in prompt.system


def test_balanced_examples_show_every_label_equally(tmp_path: Path) -> None:
    shown = read_prompt(make(tmp_path, examples=8)).examples
    assert Counter(json.loads(example.completion)["intent"] for example in shown) == {"on": 4, "off": 4}


def test_equal_choices_have_equal_ids_and_another_seed_another(tmp_path: Path) -> None:
    ids = [read_prompt(make(tmp_path, examples=4, seed=seed)).id for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]


def test_the_id_follows_content_not_row_names() -> None:
    one, other = (make_prompt("a", (Example(id=name, prompt="p", completion="c"),)) for name in "xy")
    assert one.id == other.id != make_prompt("a").id


def test_examples_without_training_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no input `train`"):
        make(tmp_path, rows=None, examples=2)
    step = Step(address="prompt/few-shot", title="", executor="prompt", version="1", params=params(examples=2))
    assert [finding.code for finding in Prompt().check(step, SITE)] == ["PROMPT001"]
    named = step.model_copy(update={"inputs": {"train": Input(pin="data/train")}})
    assert Prompt().check(named, SITE) == []


def test_too_few_rows_are_said_with_the_counts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs 8 examples; 3 different rows"):
        make(tmp_path, rows=3, examples=8)


@given(
    labels=st.lists(st.sampled_from("abc"), min_size=1, max_size=30),
    count=st.integers(1, 12),
    seed=st.integers(0, 5),
)
def test_balanced_counts_differ_by_at_most_one_while_labels_last(labels: list[str], count: int, seed: int) -> None:
    rows = [Row(str(number), f"request {number}", label) for number, label in enumerate(labels)]
    shown = choose(rows, count, select="balanced", seed=seed, label=None)
    assert len(shown) == min(count, len(rows))
    assert shown == choose(rows, count, select="balanced", seed=seed, label=None)
    counts = Counter(example.completion for example in shown)
    most = max(counts.values())
    assert all(counts[label] >= min(most - 1, labels.count(label)) for label in set(labels))


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"enum": ["a", 1, None]}, '"a" | 1 | null'),
        ({"const": "a"}, '"a"'),
        ({"type": "array", "items": {"type": "integer"}}, "[whole number, ...]"),
        ({"type": "object", "properties": {"a": {}}}, '{"a"?: value}'),
        ({"type": "object"}, "{name: value}"),
        ({"$ref": "#/x"}, '{"$ref":"#/x"}'),
    ],
)
def test_a_schema_is_said_in_few_words(schema: dict[str, Any], said: str) -> None:
    assert outline(schema) == said
