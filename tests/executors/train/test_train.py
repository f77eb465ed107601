from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import InputError, RunError
from tests.executors.tiny import tiny_rows, write_rows
from tests.executors.train.jobs import make_job, perform

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(input_ids=torch.arange(20)[None]).logits


# peft asks transformers by a name that is on its way out.
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing")
def test_the_loss_falls_and_the_adapter_reloads_with_the_same_logits(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from peft import PeftModel

    from executors.models import load_model
    from executors.train import work

    trained: list[Any] = []
    load = work._load

    def one(*arguments: Any) -> Any:
        loaded = load(*arguments)
        trained.append(loaded[0].model)
        return loaded

    monkeypatch.setattr(work, "_load", one)
    events = []
    job = make_job(tmp_path, tiny_model)
    object.__setattr__(job, "report", events.append)
    outcome = perform(job)
    # The embeddings of the tiny model stay random, so there is a floor not far below.
    assert outcome.metrics["train_loss"].value < 0.95 * events[0].loss
    assert outcome.metrics["validation_loss"].value < events[0].loss
    assert events[-1].done == events[-1].total == outcome.notes["steps"] == 16
    assert events[-1].remaining_s == 0

    reloaded = PeftModel.from_pretrained(load_model(tiny_model, "fp32"), job.out / "adapter")
    torch.testing.assert_close(logits(reloaded), logits(trained[0].eval()), rtol=0, atol=0)


def test_the_notes_say_what_took_effect(tiny_model: Path, tmp_path: Path) -> None:
    job = make_job(tmp_path, tiny_model, epochs=1.0, rank=4, targets=["q_proj", "v_proj"], max_length=66)
    notes = perform(job).notes
    # Two layers; q 64 to 64, v 64 to 32.
    assert notes["trainable"] == 2 * 4 * (64 + 64 + 64 + 32)
    assert notes["base_dtype"] == notes["trained_dtype"] == "float32"
    assert notes["attention"] == "sdpa"
    assert notes["rows"] + notes["dropped_too_long"] == 32
    assert notes["resumed_from"] == 0
    assert str(notes["curve"]).endswith(".")


def test_the_adapter_holds_nothing_that_changes_or_runs(tiny_model: Path, tmp_path: Path) -> None:
    job = make_job(tmp_path, tiny_model, epochs=1.0)
    perform(job)
    adapter = job.out / "adapter"
    assert {file.name for file in adapter.iterdir()} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert (adapter / "chat_template.jinja").read_bytes() == (tiny_model / "chat_template.jinja").read_bytes()
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["target_modules"] == sorted(config["target_modules"])
    assert str(tmp_path) not in (adapter / "adapter_config.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("changes", [{"gradient_checkpointing": True}, {"micro_batch": 2, "accumulation": 4}])
def test_what_saves_memory_does_not_change_the_training(
    tiny_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    plain = perform(make_job(tmp_path / "plain", tiny_model, epochs=1.0)).metrics["validation_loss"].value
    saving = perform(make_job(tmp_path / "saving", tiny_model, epochs=1.0, **changes)).metrics["validation_loss"].value
    assert saving == pytest.approx(plain, rel=1e-4)


def test_training_stops_early_and_keeps_the_best(tiny_model: Path, tmp_path: Path) -> None:
    job = make_job(tmp_path, tiny_model, epochs=30.0, learning_rate=0.05, early_stopping_patience=2)
    # Other answers than those trained: validation must get worse.
    rows = [row | {"completion": '{"nothing":"alike"}'} for row in tiny_rows(8, start=32)]
    write_rows(tmp_path / "validation.jsonl", rows)
    outcome = perform(job)
    assert outcome.notes["steps"] < 120
    assert outcome.notes["chosen_step"] == outcome.notes["steps"] - 8


def test_a_loss_that_is_not_finite_ends_the_step(tiny_model: Path, tmp_path: Path) -> None:
    from executors.train import Train

    job = make_job(tmp_path, tiny_model, learning_rate=1e30, max_grad_norm=0.0, schedule="constant", warmup_ratio=0.0)
    with pytest.raises(RunError, match=r"loss is (nan|inf) at step") as caught:
        perform(job)
    assert Train().classify(caught.value) == "nan"


def test_a_difference_from_what_was_asked_fails_the_step(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from executors.models import load_model
    from executors.train import objectives

    monkeypatch.setattr(objectives, "load_model", lambda folder, _, **options: load_model(folder, "bf16", **options))
    with pytest.raises(RunError) as caught:
        perform(make_job(tmp_path, tiny_model))
    (finding,) = caught.value.findings
    assert finding.message == "Asked for base dtype float32, but the loaded model has bfloat16."


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"targets": ["q_proy"]}, "The model has no linear layer q_proy. Did you mean `q_proj`?"),
        ({"rank": 48}, "Rank 48 is above the smaller side, 32, of model.layers.0.self_attn.k_proj."),
    ],
)
def test_an_adapter_that_cannot_be_is_refused(
    tiny_model: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        perform(make_job(tmp_path, tiny_model, **changes))
    assert said in str(caught.value)
