from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from executors.evaluate import Evaluate, EvaluateParams
from executors.evaluate.local import context_window
from executors.evaluate.perplexity import surprises
from executors.gates import evaluate
from executors.models import load_adapter, load_model
from executors.rope import scaled, stretch
from executors.train import Train, work
from planner.documents import AdaptError, InputError
from planner.planning import plan
from tests.executors.tiny import make_tiny_model, tiny_rows, write_rows
from tests.executors.train.cards import loaded_by_card
from tests.executors.train.jobs import make_job
from tests.planner.specs import spec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from executors.contract import Job
    from planner.documents import Measurement

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def short_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It reads 48 tokens, which no row fits."""
    return make_tiny_model(tmp_path_factory.mktemp("short") / "model", window=48)


def logits(model: Any, ids: Any) -> Any:
    import torch

    with torch.no_grad():
        return model.eval()(input_ids=ids, use_cache=False).logits


# peft asks transformers by a name that is on its way out.
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing")
@pytest.mark.parametrize(("method", "scaling"), [("longlora", "yarn"), ("full", "linear"), ("lora", "dynamic")])
def test_longer_rows_are_learned_and_positions_go_with_the_result(
    short_model: Path, tmp_path: Path, method: str, scaling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    kept: list[Any] = []
    load = work._load

    def keep(*arguments: Any) -> Any:
        kept.append(load(*arguments))
        return kept[-1]

    monkeypatch.setattr(work, "_load", keep)
    events: list[Any] = []
    job = make_job(tmp_path, short_model, method=method, objective="long-context", scaling=scaling)
    outcome = Train().perform(replace(job, report=events.append))
    assert outcome.notes["longest_row_tokens"] > 48
    assert outcome.metrics["validation_loss"].value < events[0].loss

    whole = method == "full"
    folder = job.out / ("model" if whole else "adapter")
    assert context_window(short_model) == 48
    assert context_window(folder if whole else short_model, None if whole else folder) == 192
    again = load_model(folder if whole else short_model, "fp32", device="cpu")
    if not whole:
        again = load_adapter(again, folder)
    ids = torch.arange(3, 123)[None]
    trained = logits(kept[0][0].model, ids)
    torch.testing.assert_close(logits(again, ids), trained, rtol=0, atol=1e-5)
    if not whole:
        torch.testing.assert_close(logits(loaded_by_card(folder, short_model), ids), trained, rtol=0, atol=1e-5)
        # Without the positions that it was trained with, it would be another model.
        from peft import PeftModel

        plain = PeftModel.from_pretrained(load_model(short_model, "fp32", device="cpu"), folder)
        assert float((logits(plain, ids) - trained).abs().max()) > 1e-3


def test_longlora_merges_into_a_model_with_the_same_logits(short_model: Path, tmp_path: Path) -> None:
    import torch

    from executors.merge.executor import fold

    job = make_job(tmp_path, short_model, method="longlora", objective="long-context", epochs=1.0)
    Train().perform(job)
    fold(short_model, job.out / "adapter", "fp32", tmp_path / "merged")
    ids = torch.arange(3, 123)[None]
    beside = logits(load_adapter(load_model(short_model, "fp32", device="cpu"), job.out / "adapter"), ids)
    merged = logits(load_model(tmp_path / "merged", "fp32", device="cpu"), ids)
    torch.testing.assert_close(merged, beside, rtol=0, atol=1e-4)
    assert context_window(tmp_path / "merged") == 192


@pytest.fixture(scope="module")
def learned(short_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, float]:
    """A training of longer rows, and the validation loss that it told."""
    job = make_job(tmp_path_factory.mktemp("learned"), short_model, method="lora", objective="long-context", epochs=2.0)
    return job, Train().perform(job).metrics["validation_loss"].value


def test_what_is_measured_is_read_with_the_trained_positions(learned: tuple[Job, float]) -> None:
    from executors.data import read_rows

    job, loss = learned
    params = SimpleNamespace(dtype="fp32", quantization="none", batch_size=4, window=None)
    rows = read_rows(job.inputs["validation"])  # type: ignore[arg-type]
    inputs = {**job.inputs, "adapter": job.out / "adapter"}
    found = surprises(replace(job, params=params, inputs=inputs), rows)
    assert sum(each.nll for each in found) / sum(each.tokens for each in found) == pytest.approx(loss, rel=1e-4)


def test_short_inputs_are_held_against_the_base_and_a_worse_reader_stops_the_run(
    learned: tuple[Job, float], tmp_path: Path
) -> None:
    """As the plan draws it: both read no more tokens at once than the base can, one after the other."""
    job, _ = learned
    asked = {"metrics": ["perplexity"], "window": 48, "format": "text", "schema": None, "labels": None}
    params = EvaluateParams.model_validate(
        {**asked, "max_new_tokens": 8, "batch_size": 4, "dtype": "fp32", "limit": None, "seed": 1}
    )

    def measured(name: str, **more: Path) -> Mapping[str, Measurement]:
        inputs = {"model": job.inputs["model"], "prompt": job.inputs["prompt"], "data": job.inputs["validation"]}
        out = tmp_path / name
        out.mkdir()
        return Evaluate().perform(replace(job, params=params, inputs=inputs | more, out=out)).metrics

    before = measured("before")
    after = measured("after", adapter=job.out / "adapter", reference=tmp_path / "before" / "predictions")
    ratio = after["perplexity_ratio"]
    assert ratio.value == pytest.approx(after["perplexity"].value / before["perplexity"].value, rel=1e-4)
    assert ratio.low is not None and ratio.high is not None and ratio.low < ratio.value < ratio.high < 1.02
    back = measured("back", reference=tmp_path / "after" / "predictions")["perplexity_ratio"]
    assert back.value == pytest.approx(1 / ratio.value, rel=1e-4)
    spec_ = spec(
        models=[{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}],
        task__max_input_tokens=12_000,
        overrides={"objective": "long-context", "approach": "finetune"},
        hardware="h100",
    )
    [gate] = plan(spec_).step("evaluate/short-inputs").gates
    assert evaluate(gate, {"evaluate/short-inputs": after}).passed
    assert not evaluate(gate, {"evaluate/short-inputs": {"perplexity_ratio": back}}).passed


def test_positions_beyond_the_stretched_context_are_refused(short_model: Path, tmp_path: Path) -> None:
    job = make_job(
        tmp_path, short_model, objective="long-context", scaling="linear", scaling_factor=1.0, validate=False
    )
    write_rows(tmp_path / "train.jsonl", tiny_rows(4))
    with pytest.raises(AdaptError, match="but the model reads 48"):
        Train().perform(job)


def test_positions_are_stretched_once(short_model: Path) -> None:
    model = load_model(short_model, "fp32", device="cpu")
    stretch(model, scaled(model.config, "linear", 2.0))
    with pytest.raises(InputError, match="stretched already"):
        scaled(model.config, "yarn", 2.0)
