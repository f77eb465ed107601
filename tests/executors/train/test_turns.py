from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from executors.data import read_rows
from executors.prompt.document import make_prompt
from executors.prompt.render import completion_ids, turn_ids
from executors.train.examples import IGNORED, encode
from tests.executors.train.jobs import make_job, perform

if TYPE_CHECKING:
    from pathlib import Path

    from executors.data import Row

pytestmark = pytest.mark.slow

TALK = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "turn on the lamp"},
    {"role": "assistant", "content": "the lamp is on"},
    {"role": "user", "content": "and the fan in the hall"},
    {"role": "assistant", "content": "the fan is on"},
    {"role": "user", "content": "and off again"},
    {"role": "assistant", "content": "the fan is off"},
]
PROMPT = make_prompt("Answer.")


def talk(folder: Path, rows: int = 1) -> list[Row]:
    file = folder / "talk.jsonl"
    file.write_text("".join(json.dumps({"id": f"t{n}", "messages": TALK}) + "\n" for n in range(rows)), "utf-8")
    return read_rows(file)


def tokenizer_of(model: Path) -> Any:
    from executors.models import load_tokenizer

    return load_tokenizer(model)


def learned(tokenizer: Any, labels: list[int]) -> list[str]:
    """The texts of the runs of tokens that are learned."""
    runs: list[list[int]] = [[]]
    for label in labels:
        if label == IGNORED:
            runs.append([])
        else:
            runs[-1].append(label)
    return [tokenizer.decode(run) for run in runs if run]


def test_the_last_answer_or_every_answer_is_learned(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer, rows = tokenizer_of(tiny_model), talk(tmp_path)
    [last] = encode(tokenizer, PROMPT, rows, 500, "last").kept
    [whole] = encode(tokenizer, PROMPT, rows, 500, "all").kept
    assert last.ids == whole.ids
    assert learned(tokenizer, last.labels) == ["the fan is off<|im_end|>"]
    said = ["the lamp is on<|im_end|>", "the fan is on<|im_end|>", "the fan is off<|im_end|>"]
    assert learned(tokenizer, whole.labels) == said
    assert [token for token, label in zip(whole.ids, whole.labels, strict=True) if label not in (IGNORED, token)] == []


def test_an_earlier_answer_is_learned_behind_what_serving_would_have_asked(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(tiny_model)
    [whole] = encode(tokenizer, PROMPT, talk(tmp_path), 500, "all").kept
    system = {"role": "system", "content": "Answer.\n\nBe short."}
    for at in (2, 4, 6):
        asked = turn_ids(tokenizer, [system, *TALK[1:at]])
        said = completion_ids(tokenizer, TALK[at]["content"])
        assert whole.ids[: len(asked) + len(said)] == [*asked, *said]
        assert whole.labels[len(asked) : len(asked) + len(said)] == said


def test_a_template_that_forgets_makes_each_answer_an_example(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(tiny_model)
    # Earlier answers are shortened once another turn follows, as thinking is dropped.
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "message['content']", "(message['content'] if loop.last or message['role'] != 'assistant' else '...')"
    )
    examples = encode(tokenizer, PROMPT, talk(tmp_path), 500, "all").kept
    said = ["the lamp is on<|im_end|>", "the fan is on<|im_end|>", "the fan is off<|im_end|>"]
    assert [learned(tokenizer, each.labels) for each in examples] == [[each] for each in said]


def test_a_model_without_a_template_learns_every_answer_too(tiny_base_model: Path, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(tiny_base_model)
    [whole] = encode(tokenizer, PROMPT, talk(tmp_path), 500, "all").kept
    assert learned(tokenizer, whole.labels) == [" the lamp is on", " the fan is on", " the fan is off<|endoftext|>"]


def test_examples_of_the_prompt_are_not_learned(tiny_model: Path, tmp_path: Path) -> None:
    from executors.prompt.document import Example

    tokenizer = tokenizer_of(tiny_model)
    shown = make_prompt("Answer.", (Example(id="a", prompt="turn off the fan", completion="the fan is off"),))
    [whole] = encode(tokenizer, shown, talk(tmp_path), 500, "all").kept
    assert len(learned(tokenizer, whole.labels)) == 3


@pytest.mark.parametrize("learn", ["last", "all"])
def test_conversations_are_learned(tiny_model: Path, tmp_path: Path, learn: str) -> None:
    changes: dict[str, Any] = {"learn_turns": learn, "max_length": 256, "epochs": 12.0, "evaluations_per_epoch": 0}
    job = make_job(tmp_path, tiny_model, validate=False, **changes)
    talk(tmp_path, rows=16)
    job.inputs["train"].write_bytes((tmp_path / "talk.jsonl").read_bytes())  # type: ignore[union-attr]
    events: list[Any] = []
    object.__setattr__(job, "report", events.append)
    assert perform(job).metrics["train_loss"].value < 0.95 * events[0].loss
