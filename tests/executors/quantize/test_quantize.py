"""Quantization: every format is read again by the library that reads it, and answers nearly as 16 bits do."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from executors.contract import Job, Outcome, Site
from executors.quantize import Quantize, QuantizeParams
from planner.documents import InputError, RunError, Step
from tests.executors.tiny import make_tiny_model, tiny_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

GROUP = 32
# Method, bits, the largest divergence and the smallest share of the same tokens on the tiny model.
FORMS = [
    ("int8", 8, 0.02, 0.8),
    ("nf4", 4, 0.2, 0.5),
    ("fp4", 4, 0.2, 0.4),
    ("torchao-int8", 8, 0.02, 0.8),
    ("int8-int4", 4, 0.2, 0.5),
    ("gguf", 4, 0.2, 0.5),
    ("gguf", 8, 0.02, 0.8),
    ("gguf", 16, 0.001, 0.9),
]


def values(method: str, bits: int, **more: Any) -> dict[str, Any]:
    group = GROUP if method == "int8-int4" else None
    none = {"group": group, "calibration_rows": None, "calibration_tokens": None, "kv_cache": "16-bit", "seed": 0}
    return none | {"method": method, "bits": bits} | more


def quantize(tmp_path: Path, base: Path, given: dict[str, Any], **inputs: Path) -> tuple[Path, Outcome]:
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    params = QuantizeParams.model_validate(given)
    job = Job("quantize/x", params, {"model": base, **inputs}, out, tmp_path, lambda event: None, tmp_path)
    return out / "model", Quantize().perform(job)


@pytest.mark.parametrize(("method", "bits", "most", "least"), FORMS)
def test_fewer_bits_answer_nearly_as_all(
    tmp_path: Path, tiny_model: Path, method: str, bits: int, most: float, least: float
) -> None:
    import torch

    from executors.models import load_model, load_tokenizer

    folder, outcome = quantize(tmp_path, tiny_model, values(method, bits))
    divergence, agreement = outcome.metrics["kl_divergence"], outcome.metrics["top1_agreement"]
    assert 0 < divergence.value < most
    assert least < agreement.value <= 1
    assert divergence.low is not None
    assert divergence.n == outcome.notes["prompts"] == 8
    stored = sum(path.stat().st_size for path in folder.iterdir() if path.suffix in (".safetensors", ".gguf"))
    assert outcome.notes["bytes"] == stored
    ids = torch.arange(5, 40)[None]
    with torch.inference_mode():
        first = load_model(folder, "bf16", device="cpu")
        # The first pass in evaluation mode must not change the weights that the second computes with.
        passes = [first(ids).logits, first(ids).logits, load_model(folder, "bf16", device="cpu")(ids).logits]
    assert all(torch.equal(passes[0], other) for other in passes)
    assert load_tokenizer(folder).chat_template == load_tokenizer(tiny_model).chat_template


@pytest.mark.parametrize("method", ["nf4", "int8"])
def test_rounded_weights_are_no_larger_than_they_need(tmp_path: Path, tiny_model: Path, method: str) -> None:
    from safetensors.torch import load_file

    folder, _ = quantize(tmp_path, tiny_model, values(method, 4 if method == "nf4" else 8))
    stored = load_file(folder / "model.safetensors")
    weight = stored["model.layers.0.mlp.up_proj.weight"]
    assert weight.numel() * weight.element_size() == 64 * 128 * (0.5 if method == "nf4" else 1)


def test_a_gguf_file_tells_all_that_llama_needs(tmp_path: Path, tiny_model: Path) -> None:
    from gguf import GGUFReader

    folder, _ = quantize(tmp_path, tiny_model, values("gguf", 4))
    reader = GGUFReader(folder / "model-q4_0.gguf")
    said = {name: field.contents() for name, field in reader.fields.items()}
    config = json.loads((tiny_model / "config.json").read_text(encoding="utf-8"))
    assert said["general.architecture"] == "llama"
    assert said["llama.block_count"] == config["num_hidden_layers"]
    assert said["llama.attention.head_count_kv"] == config["num_key_value_heads"]
    assert said["tokenizer.ggml.pre"] == "gpt-2"
    assert said["tokenizer.ggml.eos_token_id"] == config["eos_token_id"]
    assert len(said["tokenizer.ggml.tokens"]) == config["vocab_size"]
    assert "<|im_start|>" in said["tokenizer.chat_template"]
    kinds = {tensor.name.removesuffix(".weight"): tensor.tensor_type.name for tensor in reader.tensors}
    expected = {"blk.0.attn_q": "Q4_0", "token_embd": "Q8_0", "output_norm": "F32"}
    assert {name: kinds[name] for name in expected} == expected
    assert len(kinds) == 20


def test_the_tokens_of_a_gguf_file_are_the_models(tmp_path: Path, tiny_model: Path) -> None:
    from executors.models import load_tokenizer
    from executors.prepare.gguf import read_gguf

    folder, _ = quantize(tmp_path, tiny_model, values("gguf", 16))
    # Away from the tokenizer's own files, as llama.cpp would have it.
    alone = shutil.copyfile(folder / "model-f16.gguf", tmp_path / "alone.gguf")
    own, read = load_tokenizer(tiny_model), read_gguf(alone, "bf16")[1]
    for row in tiny_rows(8):
        text = f"<|im_start|>user\n{row['prompt']}<|im_end|>{row['completion']}"
        assert read.encode(text, add_special_tokens=False) == own.encode(text, add_special_tokens=False)


@pytest.mark.parametrize("family", ["Qwen2", "Qwen3"])
def test_a_model_of_a_qwen_family_is_written_with_all_that_it_has_of_its_own(
    tmp_path: Path, tiny_model: Path, family: str
) -> None:
    import torch
    import transformers

    folder: Path = shutil.copytree(tiny_model, tmp_path / "qwen")
    llama = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    # Heads of Qwen3 are wider than their share of the hidden size.
    shape = {name: llama[name] for name in names} | ({"head_dim": 128} if family == "Qwen3" else {})
    torch.manual_seed(5)
    config = getattr(transformers, f"{family}Config")(**shape, num_key_value_heads=2)
    model = getattr(transformers, f"{family}ForCausalLM")(config)
    for name, weight in model.named_parameters():
        if name.endswith(("bias", "q_norm.weight", "k_norm.weight")):
            torch.nn.init.normal_(weight)
    model.save_pretrained(folder)
    _, outcome = quantize(tmp_path, folder, values("gguf", 8))
    assert outcome.metrics["kl_divergence"].value < 0.02


def test_the_calibration_rows_are_what_is_compared_on(tmp_path: Path, tiny_model: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", tiny_rows(5))
    _, outcome = quantize(tmp_path, tiny_model, values("int8", 8), calibration=rows)
    assert outcome.metrics["kl_divergence"].n == 5


def test_what_is_quantized_is_not_quantized_again(tmp_path: Path, tiny_model: Path) -> None:
    for method, bits in (("nf4", 4), ("gguf", 8)):
        again = tmp_path / f"again-{method}"
        again.mkdir()
        folder, _ = quantize(again, tiny_model, values(method, bits))
        with pytest.raises(InputError, match="quantized already"):
            quantize(tmp_path, folder, values("int8", 8))
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "GPT2LMHeadModel is not written as GGUF here"),
        ({"architectures": ["Qwen3ForCausalLM"]}, "Heads of 16 are not read again from a GGUF file"),
        ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}}, "scaling `dynamic`"),
    ],
)
def test_gguf_of_what_it_does_not_know_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, tiny_model: Path, change: dict[str, Any], said: str
) -> None:
    base = shutil.copytree(tiny_model, tmp_path / "base")
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    (base / "config.json").write_text(json.dumps(config | change), encoding="utf-8")
    with pytest.raises(InputError, match=said):
        quantize(tmp_path, base, values("gguf", 8))
    assert not list((tmp_path / "out").iterdir())


def test_a_tokenizer_that_cuts_otherwise_is_one_sentence(tmp_path: Path, tiny_model: Path) -> None:
    base = shutil.copytree(tiny_model, tmp_path / "base")
    tokenizer = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["pre_tokenizer"] = {"type": "Whitespace"}
    (base / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    with pytest.raises(InputError, match="cuts text in a way"):
        quantize(tmp_path, base, values("gguf", 8))


def test_files_that_are_not_what_was_quantized_fail_the_step(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from executors.quantize import rounding

    def another(base: Path, *given: Any) -> Any:
        model = made(base, *given)
        made(other, *given)
        return model

    made, other = rounding.round_and_save, make_tiny_model(tmp_path / "other", seed=9)
    monkeypatch.setattr("executors.quantize.executor.round_and_save", another)
    with pytest.raises(RunError, match="answer otherwise"):
        quantize(tmp_path, tiny_model, values("nf4", 4))
    assert not list((tmp_path / "out").iterdir())


def step(method: str, bits: int, **more: Any) -> Step:
    fields: dict[str, Any] = {"address": "quantize/x", "title": "Quantize", "executor": "quantize", "version": "2"}
    fields |= {"inputs": {"model": {"pin": "model/base"}}, "params": values(method, bits), "outputs": ["model"]}
    return Step.model_validate(fields | more, strict=False)


@pytest.mark.parametrize(
    ("method", "bits", "said"),
    [
        ("int4", 4, "on a CUDA device only, and this machine computes on cpu"),
        ("fp8", 8, "fp8 is multiplied by hardware"),
    ],
)
def test_what_cannot_be_made_here_is_said_before_anything_runs(method: str, bits: int, said: str) -> None:
    [finding] = Quantize().check(step(method, bits), Site("cpu", 0, 2, 0))
    assert said in finding.message
    assert finding.fix


def test_a_method_of_this_machine_passes_the_check() -> None:
    assert Quantize().check(step("int4", 4), Site("cuda", 0, 2, 0)) == []
    assert Quantize().check(step("nf4", 4), Site("cpu", 0, 2, 0)) == []
    [finding] = Quantize().check(step("nf4", 4, inputs={}), Site("cpu", 0, 2, 0))
    assert finding.code == "QUANT001"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (values("int8", 4), "int8 has 8 bits a weight, not 4"),
        (values("gguf", 2), "Input should be 4, 8 or 16"),
        (values("int4", 4), "int4 needs a group"),
        (values("int3", 4), "Input should be 'int8'"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        QuantizeParams.model_validate(given)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Any, path: Path, __: Any) -> Any:
        path.parent.mkdir()
        path.write_text("half")
        # The words of numpy, which gives no number.
        raise OSError("940032 requested and 899392 written")

    monkeypatch.setattr("executors.quantize.executor.write_gguf", full)
    said = r"The disk is full: 0\.1 MB are needed and [\d,.]+ MB are free for model"
    with pytest.raises(RunError, match=said):
        quantize(tmp_path, tiny_model, values("gguf", 8))
    assert not list((tmp_path / "out").iterdir())
    monkeypatch.setattr("executors.quantize.executor.free_bytes", lambda path: 50_000)
    with pytest.raises(RunError, match=said):
        quantize(tmp_path, tiny_model, values("int8", 8))
    assert not list((tmp_path / "out").iterdir()), "what is known not to fit is not begun"
