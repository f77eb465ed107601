"""End tokens and templates are judged by the files of a model, before anything is loaded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from planner.planning import plan
from planner.survey.chat_template import ends_answers, opens_answers
from tests.planner.specs import spec
from tests.planner.survey.conftest import write_safetensors

if TYPE_CHECKING:
    from pathlib import Path

TURNS = "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
OPENED = TURNS + "{% if add_generation_prompt %}<|assistant|>{% endif %}"
# Nothing stands before an answer here, so nothing is to be opened.
MARKED = (
    "{% for message in messages %}{% if message.role == 'user' %}[INST] {{ message.content }} [/INST]"
    "{% else %}{{ message.content }}</s>{% endif %}{% endfor %}"
)
CONFIG: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 400,
    "num_attention_heads": 4, "max_position_embeddings": 512,
}  # fmt: skip


def folder(path: Path, settings: dict[str, Any], **config: Any) -> Path:
    (path / "config.json").write_text(json.dumps(CONFIG | config))
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    write_safetensors(path / "model.safetensors", {"model.embed_tokens.weight": ("BF16", [400, 64])})
    return path


@pytest.mark.parametrize(("template", "opens"), [(TURNS, False), (OPENED, True), (MARKED, True), ("{{ 1 / 0 }}", None)])
def test_a_template_opens_what_it_writes_before_an_answer(tmp_path: Path, template: str, opens: bool | None) -> None:
    folder(tmp_path, {"chat_template": template})
    assert opens_answers(tmp_path) is opens
    (tmp_path / "chat_template.jinja").write_text(OPENED)
    assert opens_answers(tmp_path) is True


def test_without_a_template_nothing_is_said_of_one(tmp_path: Path) -> None:
    assert opens_answers(folder(tmp_path, {})) is None
    assert opens_answers(tmp_path / "nowhere") is None


def test_any_of_three_files_may_name_the_end_token(tmp_path: Path) -> None:
    assert ends_answers(tmp_path, {}) is None, "no tokenizer is there"
    folder(tmp_path, {})
    assert ends_answers(tmp_path, {}) is False
    assert ends_answers(tmp_path, {"eos_token_id": 0}) is True
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [7]}')
    assert ends_answers(tmp_path, {}) is True
    (tmp_path / "generation_config.json").unlink()
    assert ends_answers(folder(tmp_path, {"eos_token": "</s>"}), {}) is True


@pytest.mark.parametrize(
    ("settings", "rows", "said"),
    [
        ({"chat_template": OPENED}, {}, "neither tokenizer nor generation config names an end token"),
        ({"eos_token": "<|end|>", "chat_template": TURNS}, {}, "the chat template does not open an answer's turn"),
        ({"eos_token": "<|end|>", "chat_template": OPENED}, {"long": 2000}, "most rows to train on are longer"),
    ],
)
def test_what_no_training_gets_around_is_said_by_the_plan(
    tmp_path: Path, settings: dict[str, Any], rows: dict[str, int], said: str
) -> None:
    (tmp_path / "model").mkdir()
    folder(tmp_path / "model", settings)
    words = " ".join(["word"] * rows.get("long", 3))
    text = "".join(json.dumps({"prompt": f"{words} {at}", "completion": "bug"}) + "\n" for at in range(120))
    (tmp_path / "train.jsonl").write_text(text)
    model = [{"id": "org/own", "path": "model"}]
    status = plan(
        spec(models=model, data__train="train.jsonl", overrides={"approach": "finetune"}), folder=tmp_path
    ).status
    assert not status.applyable
    assert said in status.because
    assert status.needs
    # Where nothing is trained nothing has to be learned.
    merged = plan(spec(models=model, overrides={"approach": "prompt", "rungs": ["prompt"]}), folder=tmp_path)
    assert merged.status.because != status.because


def test_a_dtype_that_the_files_do_not_have_is_told(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    folder(tmp_path / "model", {"eos_token": "<|end|>"})
    model = [{"id": "org/own", "path": "model", "dtype": "fp16"}]
    found = [each for each in plan(spec(models=model), folder=tmp_path).warnings if each.code == "MODEL028"]
    assert [each.message for each in found] == [
        "The spec says that the weights are fp16, and the files hold bf16: the files count."
    ]
