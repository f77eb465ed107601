"""What is served is held against what was measured: the same is told to be the same, and a loss by its size."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job, Outcome, Site
from executors.equivalence import Equivalence, EquivalenceParams
from executors.evaluate import Evaluate
from executors.merge.executor import fold
from executors.models import load_model, load_tokenizer
from executors.prompt.document import make_prompt, write_prompt
from planner.documents import InputError, Step
from tests.executors.evaluate.test_evaluate import job as evaluation
from tests.executors.merge.test_adapters import lora
from tests.executors.quantize.test_evaluated import classifier
from tests.executors.quantize.test_quantize import quantize
from tests.executors.quantize.test_quantize import values as form
from tests.executors.tiny import make_tiny_model, tiny_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning"),
]


def values(**changed: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"metric": "json_exact", "falling": False, "rows": 6, "tokens": 400, "dtype": "fp32"}
    given |= {"quantization": "none", "reference_quantization": "none", "max_new_tokens": 32, "passages": None}
    given |= {"kv_cache": "16-bit"}
    return given | {"seed": 0} | changed


def answered(path: Path, right: int, *, rows: int = 8) -> Path:
    """Predictions of which the first ones are right."""
    records = [
        {"id": row["id"], "prediction": row["completion"], "scores": {"json_exact": at < right}}
        for at, row in enumerate(tiny_rows(rows))
    ]
    return write_rows(path, records)  # type: ignore[arg-type]


def compare(folder: Path, model: Path, measured: Path, **more: Any) -> Outcome:
    inputs: dict[str, Path | str] = {"model": model, "reference_model": measured}
    write_prompt(make_prompt("Do as asked."), folder / "prompt.json")
    inputs |= {"prompt": folder / "prompt.json", "data": write_rows(folder / "rows.jsonl", tiny_rows(8))}
    inputs |= {"reference": answered(folder / "reference", 8)}
    params = EquivalenceParams.model_validate(values(**more.pop("params", {})))
    work = Job("equivalence/x", params, inputs | more, folder, folder, lambda event: None, folder)
    return Equivalence().perform(work)


def test_a_model_is_the_same_as_itself(tmp_path: Path, tiny_model: Path) -> None:
    outcome = compare(tmp_path, tiny_model, tiny_model, predictions=answered(tmp_path / "own", 8))
    assert outcome.metrics["kl_divergence"].value == 0
    assert (outcome.metrics["top1_agreement"].value, outcome.metrics["metric_loss"].value) == (1, 0)
    assert outcome.metrics["kl_divergence"].n == outcome.notes["rows"] == 6
    assert (
        outcome.notes["bytes"] == outcome.notes["reference_bytes"] == (tiny_model / "model.safetensors").stat().st_size
    )


def test_the_divergence_is_that_of_the_distributions_after_the_references_own_words(
    tmp_path: Path, tiny_model: Path
) -> None:
    import torch

    from executors.prompt.render import completion_ids, turn_ids

    other = make_tiny_model(tmp_path / "other", seed=4)
    outcome = compare(tmp_path, other, tiny_model, params={"rows": 1})
    [row] = tiny_rows(1)
    tokenizer = load_tokenizer(tiny_model)
    turns = [{"role": "system", "content": "Do as asked."}, {"role": "user", "content": row["prompt"]}]
    asked, answer = turn_ids(tokenizer, turns), completion_ids(tokenizer, row["completion"])
    ids = torch.tensor([[*asked, *answer]])
    with torch.inference_mode():
        p, q = (
            load_model(folder, "fp32", device="cpu")(ids).logits[0, len(asked) - 1 : -1].log_softmax(-1)
            for folder in (tiny_model, other)
        )
    expected = float((p.exp() * (p - q)).sum(-1).mean())
    assert math.isclose(outcome.metrics["kl_divergence"].value, expected, rel_tol=1e-4)
    assert outcome.notes["tokens"] == len(answer)


def test_a_merged_model_is_held_against_base_and_adapter(tmp_path: Path, tiny_model: Path) -> None:
    adapter = lora(tiny_model, tmp_path / "adapter", seed=1, r=4, target_modules=["q_proj", "v_proj"])
    fold(tiny_model, adapter, "fp32", tmp_path / "merged")
    same = compare(tmp_path, tmp_path / "merged", tiny_model, reference_adapter=adapter)
    assert same.metrics["kl_divergence"].value < 1e-6
    without = compare(tmp_path, tiny_model, tiny_model, reference_adapter=adapter)
    assert without.metrics["kl_divergence"].value > 1e-4
    beside = compare(tmp_path, tiny_model, tiny_model, reference_adapter=adapter, adapter=adapter)
    assert beside.metrics["kl_divergence"].value == 0
    assert isinstance(without.notes["reference_bytes"], int) and isinstance(without.notes["bytes"], int)
    assert without.notes["reference_bytes"] > without.notes["bytes"]


def test_a_cache_in_fewer_bits_diverges_the_more_the_fewer_they_are(tmp_path: Path, tiny_model: Path) -> None:
    """An adapter of virtual tokens stands in the cache as well."""
    import torch
    from peft import PromptTuningConfig, get_peft_model

    torch.manual_seed(0)
    model = load_model(tiny_model, "fp32", device="cpu")
    for weight in model.model.layers.parameters():
        weight.data = torch.randn_like(weight) * 0.2
    model.save_pretrained(tmp_path / "far")
    load_tokenizer(tiny_model).save_pretrained(tmp_path / "far")
    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    get_peft_model(model, config).save_pretrained(tmp_path / "soft")
    far, soft, found = tmp_path / "far", tmp_path / "soft", []
    for kept in ("16-bit", "int8", "int4"):
        for more in ({}, {"adapter": soft, "reference_adapter": soft}):
            outcome = compare(tmp_path, far, far, params={"kv_cache": kept, "rows": 2, "tokens": 40}, **more)
            found.append(outcome.metrics["kl_divergence"].value)
    assert found[0] == found[1] == 0
    assert 0 < found[2] < found[4] and 0 < found[3] < found[5]
    assert found[2] < 0.01


@pytest.mark.parametrize(("method", "bits"), [("nf4", 4), ("gguf", 4)])
def test_fewer_bits_diverge_and_take_less(tmp_path: Path, tiny_model: Path, method: str, bits: int) -> None:
    folder, _ = quantize(tmp_path, tiny_model, form(method, bits))
    outcome = compare(tmp_path, folder, tiny_model, params={"dtype": "bf16"})
    assert 0 < outcome.metrics["kl_divergence"].value < 0.3
    assert int(str(outcome.notes["bytes"])) < 0.6 * int(str(outcome.notes["reference_bytes"]))
    assert outcome.notes.get("weights") == ("dequantized from GGUF" if method == "gguf" else None)


def test_a_classifier_is_compared_by_the_scores_of_its_labels(tmp_path: Path, tiny_model: Path) -> None:
    base = classifier(tmp_path / "base", tiny_model)
    folder, _ = quantize(tmp_path, base, form("nf4", 4))
    same, small = (compare(tmp_path, each, base) for each in (base, folder))
    assert (same.metrics["kl_divergence"].value, same.notes["tokens"]) == (0, 6)
    assert 0 < small.metrics["kl_divergence"].value < 0.1


def test_the_loss_of_the_score_is_paired_and_above_zero_where_it_got_worse(tmp_path: Path, tiny_model: Path) -> None:
    own = answered(tmp_path / "own", 2)
    loss = compare(tmp_path, tiny_model, tiny_model, predictions=own).metrics["metric_loss"]
    assert (loss.value, loss.n) == (0.75, 8)
    assert loss.low is not None and loss.high is not None and 0 < loss.low < 0.75 < loss.high <= 1
    falling = compare(tmp_path, tiny_model, tiny_model, predictions=own, params={"falling": True})
    assert falling.metrics["metric_loss"].value == -0.75
    few = compare(tmp_path, tiny_model, tiny_model, predictions=answered(tmp_path / "few", 2, rows=3))
    assert "metric_loss" not in few.metrics


def test_no_more_tokens_are_compared_than_are_asked_for(tmp_path: Path, tiny_model: Path) -> None:
    outcome = compare(tmp_path, tiny_model, tiny_model, params={"tokens": 30})
    assert outcome.notes["tokens"] == 30
    assert int(str(outcome.notes["rows"])) < 6


def test_predictions_of_other_data_are_one_sentence(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "other").write_text(json.dumps({"id": "x", "prediction": "y"}) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="answered no row of the data"):
        compare(tmp_path, tiny_model, tiny_model, reference=tmp_path / "other")


def test_what_was_answered_by_the_reference_itself_is_compared(tmp_path: Path, tiny_model: Path) -> None:
    work, _ = evaluation(tmp_path, tiny_model, rows=8, max_new_tokens=6)
    Evaluate().perform(work)
    outcome = compare(tmp_path, tiny_model, tiny_model, reference=work.out / "predictions")
    # Greedy answers are what the model itself finds likeliest, but for the end that they were cut before.
    assert outcome.metrics["top1_agreement"].value == 1


def test_a_step_without_its_reference_is_refused() -> None:
    step = Step(address="equivalence/x", title="Compare", executor="equivalence", version="1", params=values())
    found = Equivalence().check(step, Site("cpu", 0, 2, 0))
    assert [each.code for each in found] == ["EQUIV001"] * 4
