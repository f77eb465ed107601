from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from executors.train import Train
from planner.documents import AdaptError
from tests.executors.tiny import tiny_rows, write_rows
from tests.executors.train.jobs import make_job

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Job

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("never_loads")]


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy to damage, without weights that could be loaded: checks come before that."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    return folder


@pytest.fixture
def never_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("executors.train.objectives.load_model", fail)


def refusal(job: Job) -> str:
    with pytest.raises(AdaptError) as caught:
        Train().perform(job)
    (finding,) = caught.value.findings
    assert finding.message.endswith(".")
    assert finding.fix
    return finding.message


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def test_no_end_token(model: Path, tmp_path: Path) -> None:
    edit(model / "tokenizer_config.json", eos_token=None)
    edit(model / "generation_config.json", eos_token_id=None)
    said = refusal(make_job(tmp_path / "work", model))
    assert said.startswith("Neither the tokenizer nor the generation config names an end token")


def test_an_end_token_that_generation_does_not_stop_at(model: Path, tmp_path: Path) -> None:
    edit(model / "tokenizer_config.json", eos_token="<|endoftext|>", extra_special_tokens=["<|im_end|>"])  # noqa: S106
    edit(model / "generation_config.json", eos_token_id=0)
    said = refusal(make_job(tmp_path / "work", model, validate=False))
    assert said == "32 rows, the first is tiny-0, do not end with a token that generation stops at."


def test_a_template_without_a_generation_prompt(model: Path, tmp_path: Path) -> None:
    template = model / "chat_template.jinja"
    template.write_text(template.read_text(encoding="utf-8").split("{% if add_gen")[0], encoding="utf-8")
    said = refusal(make_job(tmp_path / "work", model))
    assert said.startswith("The chat template does not write '<|im_start|>assistant' for add_generation_prompt")


def test_rows_without_answers(model: Path, tmp_path: Path) -> None:
    job = make_job(tmp_path / "work", model, validate=False)
    rows = tiny_rows(4)
    rows[2]["completion"] = " "
    write_rows(tmp_path / "work" / "train.jsonl", rows)
    assert refusal(job) == "1 rows have no answer, the first is tiny-2: nothing in them would be trained."


def test_all_rows_too_long(model: Path, tmp_path: Path) -> None:
    said = refusal(make_job(tmp_path / "work", model, validate=False, max_length=12))
    assert said.startswith("All 32 rows are longer than 12 tokens, the shortest has ")


def test_most_rows_too_long(model: Path, tmp_path: Path) -> None:
    job = make_job(tmp_path / "work", model, validate=False)
    rows = tiny_rows(5)
    for row in rows[2:]:
        row["prompt"] += " and so on" * 60
    write_rows(tmp_path / "work" / "train.jsonl", rows)
    assert refusal(job) == "3 of 5 rows are longer than 128 tokens."


def test_no_longer_rows_are_asked_for_than_the_model_reads(model: Path, tmp_path: Path) -> None:
    edit(model / "config.json", max_position_embeddings=16)
    with pytest.raises(AdaptError) as caught:
        Train().perform(make_job(tmp_path / "work", model, validate=False, max_length=12))
    (found,) = caught.value.findings
    assert found.fix == "Shorten them, or take a model that reads more: this one reads 16 tokens."


def test_a_row_longer_than_the_model_reads(model: Path, tmp_path: Path) -> None:
    edit(model / "config.json", max_position_embeddings=16)
    assert "but the model reads 16" in refusal(make_job(tmp_path / "work", model, validate=False))


def test_a_tokenizer_of_another_model(model: Path, tmp_path: Path) -> None:
    edit(model / "config.json", vocab_size=50)
    said = refusal(make_job(tmp_path / "work", model, validate=False))
    assert said.endswith("but the model knows 50.")


def test_a_full_disk(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executors.train.room.free_bytes", lambda _: 1000)
    said = refusal(make_job(tmp_path / "work", model))
    assert said.startswith("Checkpoints and result need ")


def test_all_labels_masked() -> None:
    from executors.train.examples import answered
    from executors.train.preflight import check_labels

    (finding,) = check_labels([answered("a", [1, 2, 3], [])], {3}, "rows.jsonl")
    assert finding.message == "All tokens of 1 rows are masked, the first is a: nothing would be trained."


def test_arithmetic_that_the_device_lacks(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executors.train.work.device_name", lambda: "cpu")
    monkeypatch.setattr("torch.cpu.get_capabilities", dict)
    said = refusal(make_job(tmp_path / "work", model, precision="bf16"))
    assert said.startswith("This processor has no bfloat16 instructions")


def test_pickled_weights_are_refused(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    said = refusal(make_job(tmp_path / "work", model))
    assert said == "The weights are pickled (pytorch_model.bin): reading them can run code."


def test_weights_that_are_cut_off_are_refused(model: Path, tmp_path: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert refusal(make_job(tmp_path / "work", model)).startswith("The weights are damaged: ")
    weights.write_bytes(b"no header" * 10)
    assert refusal(make_job(tmp_path / "again", model)).startswith("The weights are damaged: ")


def test_a_shard_that_is_missing(model: Path, tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    said = refusal(make_job(tmp_path / "work", model))
    assert said == "1 files of weights are missing, the first is model-00002-of-00002.safetensors."


def test_bf16_weights_are_not_trained_as_fp16(model: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    save_file({name: value.to(torch.bfloat16) for name, value in weights.items()}, model / "model.safetensors")
    said = refusal(make_job(tmp_path / "work", model, base_dtype="fp16", precision="bf16"))
    assert said == "The weights are bf16, of which fp16 cannot hold the largest and smallest values."


def test_conversations_of_which_nothing_is_said(model: Path, tmp_path: Path) -> None:
    job = make_job(tmp_path / "work", model, validate=False, learn_turns="all")
    turns = [{"role": "user", "content": "turn on the lamp"}, {"role": "assistant", "content": " "}]
    (tmp_path / "work" / "train.jsonl").write_text(json.dumps({"id": "a", "messages": turns}), encoding="utf-8")
    assert refusal(job) == "1 rows have no answer, the first is a: nothing in them would be trained."
