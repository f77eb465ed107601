"""Methods of other environments: what they ask for and are fitted to, and that what they wrote is read as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from executors.contract import Job, Site
from executors.environments import is_made
from executors.models import load_model, load_tokenizer
from executors.quantize import Quantize, QuantizeParams, Reload, ReloadParams
from executors.quantize.apart import (
    BITS_APART,
    CALIBRATED,
    ENVIRONMENTS,
    GROUPED,
    answers_of,
    calibration_tokens,
    read_as_written,
)
from executors.quantize.compressor import check_groups, layers_kept
from executors.quantize.divergence import TEXTS, logits
from executors.runner import run_plan
from planner.documents import GPTQMODEL, InputError, Pin, RunError, Step, canonical_json, fingerprint
from tests.executors.plans import make_plan
from tests.executors.quantize.test_quantize import values
from tests.executors.tiny import make_tiny_model, tiny_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
CPU, GPU = Site("cpu", 0, 2, 0), Site("cuda", 0, 2, 0)


def params(method: str, **more: Any) -> dict[str, Any]:
    rows = {"calibration_rows": 16, "calibration_tokens": 64} if method in CALIBRATED else {}
    group = {"group": 32} if method in GROUPED else {}
    return values(method, BITS_APART[method][0], **rows, **group) | more


def step(method: str, **more: Any) -> Step:
    inputs = {"model": {"pin": "model/base"}}
    inputs |= {"calibration": {"pin": "data/train"}} if method in CALIBRATED else {}
    fields: dict[str, Any] = {"address": f"quantize/{method}", "title": "Quantize", "executor": "quantize"}
    fields |= {"version": "1", "inputs": inputs, "params": params(method), "outputs": ["model", "answers"]}
    fields["environment"] = ENVIRONMENTS[method].to_json()
    return Step.model_validate_json(json.dumps(fields | more))


@pytest.mark.parametrize("method", sorted(BITS_APART))
def test_a_step_with_its_environment_and_its_data_passes_the_check(method: str) -> None:
    QuantizeParams.model_validate(params(method))
    assert Quantize().check(step(method), GPU) == []


@pytest.mark.parametrize(
    ("given", "site", "said"),
    [
        (step("gptq", environment=None), CPU, "which quantize/gptq does not name"),
        (step("w4a16", environment=GPTQMODEL.to_json()), CPU, "made in the environment llm-compressor"),
        (step("w4a16", inputs={"model": {"pin": "m"}}), CPU, "no input `calibration`"),
        (
            step("gptq", inputs={"model": {"pin": "m"}, "calibration": {"pin": "data/test"}}),
            CPU,
            "would fit its rounding to data/test, which would flatter what is measured there",
        ),
        (step("awq"), CPU, "AWQ searches the scale of each channel on an accelerator, and this machine has none"),
    ],
)
def test_what_a_step_lacks_is_said_before_anything_runs(given: Step, site: Site, said: str) -> None:
    [finding] = Quantize().check(given, site)
    assert said in finding.message
    assert finding.fix


def test_calibration_data_are_explicit() -> None:
    for missing in ("calibration_rows", "calibration_tokens"):
        with pytest.raises(ValidationError, match="needs calibration_rows and calibration_tokens"):
            QuantizeParams.model_validate(params("gptq", **{missing: None}))
    with pytest.raises(ValidationError, match="w4a16 needs a group"):
        QuantizeParams.model_validate(params("w4a16", group=None))


def test_calibration_reads_so_many_rows_as_the_model_will_see_them(tmp_path: Path, tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    data = write_rows(tmp_path / "train.jsonl", tiny_rows(40))
    some = calibration_tokens(tokenizer, data, 5, 512, seed=1)
    assert len(some) == 5
    assert some == calibration_tokens(tokenizer, data, 5, 512, seed=1)
    assert some != calibration_tokens(tokenizer, data, 5, 512, seed=2)
    assert all(text.startswith("<|im_start|>user") for text in map(tokenizer.decode, some))
    assert all('"intent"' in text for text in map(tokenizer.decode, some)), "the answer runs through the layers too"
    assert {len(ids) for ids in calibration_tokens(tokenizer, data, 99, 8, seed=0)} == {8}
    assert len(calibration_tokens(tokenizer, data, 99, 8, seed=0)) == 40
    plain = write_rows(tmp_path / "texts.jsonl", [{"text": "the lamp"}])
    assert tokenizer.decode(calibration_tokens(tokenizer, plain, 1, 8, seed=0)[0]) == "the lamp"
    with pytest.raises(InputError, match="no text"):
        calibration_tokens(tokenizer, write_rows(tmp_path / "empty.jsonl", [{"text": ""}]), 1, 8, seed=0)


def test_groups_must_divide_the_inputs_of_a_layer(tiny_model: Path) -> None:
    model = load_model(tiny_model, "bf16", device="cpu")
    check_groups(model, 64, layers_kept(model))
    assert layers_kept(model) == ["lm_head"]
    with pytest.raises(InputError, match=r"q_proj has 64 inputs, which groups of 128 do not divide"):
        check_groups(model, 128, layers_kept(model))


def reload(tmp_path: Path, model: Path, answers: Path) -> dict[str, float]:
    inputs = {"model": model, "answers": answers}
    job = Job("reload/x", ReloadParams(dtype="bf16", seed=0), inputs, tmp_path, tmp_path, lambda event: None, tmp_path)
    return {name: found.value for name, found in Reload().perform(job).metrics.items()}


def test_a_reload_finds_what_answers_otherwise_than_where_it_was_made(tmp_path: Path, tiny_model: Path) -> None:
    tokenizer, model = load_tokenizer(tiny_model), load_model(tiny_model, "bf16", device="cpu")
    prompts = [tokenizer(text)["input_ids"] for text in TEXTS]
    given = logits(model, prompts)
    (tmp_path / "answers").write_text(canonical_json(answers_of(prompts, given)), encoding="utf-8")
    assert read_as_written(prompts, given, given)
    same = {"reload_difference": pytest.approx(0, abs=1e-5), "reload_agreement": 1.0}
    assert reload(tmp_path, tiny_model, tmp_path / "answers") == same
    corrupted = make_tiny_model(tmp_path / "other", seed=9)
    assert not read_as_written(prompts, given, logits(load_model(corrupted, "bf16", device="cpu"), prompts))
    with pytest.raises(RunError, match="answer otherwise here than where they were made"):
        reload(tmp_path, corrupted, tmp_path / "answers")


@pytest.mark.parametrize("method", sorted(set(BITS_APART) - {"awq"}))
def test_what_an_environment_makes_is_read_in_the_main_one(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Where its environment is made: `adapt environments make`."""
    pytest.importorskip("compressed_tensors")
    if not is_made(ENVIRONMENTS[method]):
        pytest.skip(f"the environment {ENVIRONMENTS[method].name} is not made here")
    data = write_rows(tmp_path / "train.jsonl", tiny_rows(40))
    pins = {
        "model/base": Pin(kind="model", path=str(tiny_model), digest=fingerprint(tiny_model)[0]),
        "data/train": Pin(kind="dataset", path=str(data), digest=fingerprint(data)[0]),
    }
    made = step(method)
    source = {name: {"step": made.address, "output": name} for name in ("model", "answers")}
    fields = {"address": f"reload/{method}", "title": "Read again", "executor": "reload", "version": "1"}
    fields |= {"needs": [made.address], "inputs": source, "params": {"dtype": "bf16", "seed": 0}}
    again = Step.model_validate_json(json.dumps(fields))
    report = run_plan(make_plan(made, again, pins=pins), tmp_path, allow_paths=[tiny_model.parent])
    assert report.status == "done", [each.error for each in report.steps]
    first, second = report.steps
    assert 0 <= first.metrics["kl_divergence"].value < 0.2
    assert int(str(first.notes["bytes"])) < 0.7 * int(str(first.notes["bytes_16_bit"]))
    assert second.metrics["reload_agreement"].value > 0.95
