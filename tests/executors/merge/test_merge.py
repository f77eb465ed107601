from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from executors.contract import Job
from executors.merge import Merge, MergeParams
from planner.documents import InputError, RunError
from tests.executors.tiny import PLACES, make_tiny_model
from tests.executors.train.jobs import make_job, perform
from tests.executors.train.labelled import head_job, measured

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning"),
]


def make_adapter(base: Path, folder: Path, *, scale: float = 1.0) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model

    from executors.models import load_model

    torch.manual_seed(3)
    settings = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    model = get_peft_model(load_model(base, "fp32", device="cpu"), settings)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data *= scale
    model.save_pretrained(folder)
    return folder


def merge(tmp_path: Path, base: Path, adapter: Path, dtype: str = "fp32") -> Path:
    out = tmp_path / "out"
    out.mkdir()
    inputs: dict[str, Path | str] = {"model": base, "adapter": adapter}
    params = MergeParams.model_validate({"dtype": dtype})
    Merge().perform(Job("merge/sft", params, inputs, out, tmp_path, lambda event: None, tmp_path))
    return out / "model"


def test_the_merged_model_answers_as_base_and_adapter_did(tmp_path: Path, tiny_model: Path) -> None:
    import torch

    from executors.models import load_adapter, load_model, load_tokenizer

    adapter = make_adapter(tiny_model, tmp_path / "adapter")
    merged = load_model(merge(tmp_path, tiny_model, adapter), "fp32", device="cpu")
    both = load_adapter(load_model(tiny_model, "fp32", device="cpu"), adapter)
    ids = torch.arange(5, 40)[None]
    with torch.inference_mode():
        expected, plain = both(ids).logits, load_model(tiny_model, "fp32", device="cpu")(ids).logits
        assert torch.allclose(merged(ids).logits, expected, atol=1e-4)
        assert not torch.allclose(plain, expected, atol=1e-2)
    tokenizer = load_tokenizer(tmp_path / "out" / "model")
    assert tokenizer.chat_template == load_tokenizer(tiny_model).chat_template
    assert merged.generation_config.eos_token_id == tokenizer.eos_token_id


def test_the_asked_dtype_is_written_as_safetensors_only(tmp_path: Path, tiny_model: Path) -> None:
    folder = merge(tmp_path, tiny_model, make_adapter(tiny_model, tmp_path / "adapter"), "bf16")
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["dtype"] == "bfloat16"
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".jinja", ".safetensors"}


def test_an_adapter_of_another_base_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    adapter = make_adapter(tiny_model, tmp_path / "adapter")
    path = adapter / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config | {"r": 8}), encoding="utf-8")
    with pytest.raises(InputError, match="adapter does not fit the model"):
        merge(tmp_path, tiny_model, adapter)


def test_a_quantized_base_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    base = shutil.copytree(tiny_model, tmp_path / "base")
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    quantization = {"quantization_config": {"quant_method": "bitsandbytes"}}
    (base / "config.json").write_text(json.dumps(config | quantization), encoding="utf-8")
    with pytest.raises(InputError, match="base is quantized"):
        merge(tmp_path, base, base)


def test_weights_that_are_not_finite_fail_the_step(tmp_path: Path) -> None:
    base = make_tiny_model(tmp_path / "base")
    adapter = make_adapter(base, tmp_path / "adapter", scale=1e38)
    with pytest.raises(RunError, match="not finite"):
        merge(tmp_path, base, adapter, "fp16")


@pytest.mark.parametrize("method", ["dora", "ia3"])
def test_scaled_weights_fold_as_low_rank_ones_do(method: str, tmp_path: Path, tiny_model: Path) -> None:
    import torch

    from executors.models import load_adapter, load_model

    job = make_job(tmp_path / "train", tiny_model, method=method, epochs=0.5)
    perform(job)
    adapter = job.out / "adapter"
    merged = load_model(merge(tmp_path, tiny_model, adapter), "fp32", device="cpu")
    both = load_adapter(load_model(tiny_model, "fp32", device="cpu"), adapter)
    ids = torch.arange(5, 40)[None]
    with torch.inference_mode():
        expected, plain = both(ids).logits, load_model(tiny_model, "fp32", device="cpu")(ids).logits
        assert float((merged(ids).logits - expected).abs().max()) < 2e-5
        assert float((plain - expected).abs().max()) > 1e-2


def test_a_head_is_folded_with_its_adapter_and_keeps_the_names_of_its_labels(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "train").mkdir()
    job = head_job(tmp_path / "train", tiny_model)
    perform(job)
    left = {"model": tiny_model, "adapter": job.out / "adapter"}
    before, folded = measured(tmp_path, **left), merge(tmp_path, tiny_model, job.out / "adapter")
    config = json.loads((folded / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["LlamaForSequenceClassification"]
    assert sorted(config["id2label"].values()) == sorted(PLACES)
    after = measured(tmp_path, model=folded)
    assert [each["prediction"] for each in after[1]] == [each["prediction"] for each in before[1]]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"adapter_type": "bottleneck"}, "A bottleneck adapter bends what it reads, which no matrix does, so it"),
        ({"adapter_type": "linear-probe"}, "A probe is a head on features of one layer of the base"),
        ({"peft_type": "PROMPT_TUNING"}, "A soft prompt is input, not weights, so it cannot be folded."),
        ({"peft_type": "PREFIX_TUNING"}, "A prefix is keys and values beside the input, not weights"),
    ],
)
def test_what_changes_no_weights_is_refused_before_anything_is_loaded(
    config: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("executors.merge.executor.load_model")
    (tmp_path / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match=said) as caught:
        merge(tmp_path, tmp_path, tmp_path)
    assert caught.value.findings[0].fix == "Serve it beside the base: set serving to adapters."
