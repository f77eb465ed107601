from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.train.belonging import IN_PLACE, output_of
from tests.executors.encoders import make_tiny_encoder
from tests.executors.tiny import PLACES, make_tiny_model
from tests.executors.train.jobs import METHODS, perform
from tests.executors.train.labelled import head_job, measured

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Job

# peft asks transformers by a name that is on its way out.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing")]

# Soft prompts leave no head, and LongLoRA is for longer texts.
HEADED = [method for method in METHODS if method != "longlora" and "virtual_tokens" not in METHODS[method]]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_encoder(tmp_path_factory.mktemp("encoder") / "model")


@pytest.fixture(scope="module")
def biased_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("biased") / "model", biases=True)


def scores(model: Any, pad: int) -> Any:
    """Logits of two rows of unequal length."""
    import torch

    ids = torch.arange(5, 25).reshape(2, 10)
    mask = torch.ones_like(ids)
    ids[1, 7:], mask[1, 7:] = pad, 0
    with torch.no_grad():
        return model.eval()(input_ids=ids, attention_mask=mask).logits


def reloaded(job: Job) -> Any:
    """What any program would load: by transformers and peft alone, but for the adapters that peft does not know."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from executors.heads import labels_of, load_classifier
    from executors.models import load_adapter

    torch.manual_seed(123)
    if job.params.method in IN_PLACE:
        return AutoModelForSequenceClassification.from_pretrained(job.out / "model")
    base, pad = job.inputs["model"], AutoTokenizer.from_pretrained(job.inputs["model"]).pad_token_id
    labels = labels_of(base, job.out / "adapter")
    if job.params.method == "adapter":
        return load_adapter(load_classifier(base, "fp32", labels, pad), job.out / "adapter")
    if job.params.base_quantization:
        found = load_classifier(base, "fp32", labels, pad, quantization=job.params.base_quantization)
    else:
        found = AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(labels), pad_token_id=pad)
    return PeftModel.from_pretrained(found, job.out / "adapter")


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
@pytest.mark.parametrize("method", HEADED)
def test_a_head_learns_labels_with_every_method_that_can_and_reloads_exactly(
    method: str, kind: str, encoder: Path, biased_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from executors.train import work

    kept: list[Any] = []
    load = work._load

    def keep(*arguments: Any) -> Any:
        loaded = load(*arguments)
        kept.append((loaded[0], loaded[0].evaluate()["eval_loss"]))
        loaded[0].plan.watch.record.evaluations.clear()
        return loaded

    monkeypatch.setattr(work, "_load", keep)
    job = head_job(tmp_path, encoder if kind == "encoder" else biased_model, method=method)
    outcome = perform(job)
    ((trainer, before),) = kept
    assert outcome.metrics["validation_loss"].value < 0.9 * before
    assert outcome.notes["labels"] == sorted(PLACES)
    assert [item.name for item in job.out.iterdir()] == [output_of(method)]
    pad = trainer.plan.ready.tokenizer.pad_token_id
    assert float((scores(reloaded(job), pad) - scores(trainer.model, pad)).abs().max()) == 0.0
    if method in ("lora", "full", "adapter"):
        left = {output_of(method): job.out / output_of(method)}
        result, records = measured(tmp_path, **({"model": job.inputs["model"]} | left))
        assert result.notes["answered_by"] == "a head"
        assert {record["prediction"] for record in records} <= set(PLACES)
        assert result.metrics["label_accuracy"].value >= 0.6
