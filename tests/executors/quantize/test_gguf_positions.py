"""Scaled rotary positions in GGUF: told in llama.cpp's words, read back as they were, and missed when they are lost."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from executors.gguf_positions import KEPT, read_positions
from executors.models import load_model
from executors.quantize.gguf_file import check_read, write_gguf
from planner.documents import InputError, RunError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

THETA = {"rope_theta": 10000.0}
# Bands within the wavelengths of a head of 16, so that all three of them are there.
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0} | THETA
LLAMA3 |= {"original_max_position_embeddings": 256}
RELEASED = LLAMA3 | {"factor": 32.0, "original_max_position_embeddings": 8192}
LINEAR = {"rope_type": "linear", "factor": 4.0} | THETA
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128} | THETA
FORMS = {"llama3": LLAMA3, "linear": LINEAR, "yarn": YARN, "sharper": YARN | {"attention_factor": 1.5}}


def scaled(base: Path, folder: Path, rope: dict[str, Any], **more: Any) -> Path:
    """The tiny model with other positions in its configuration."""
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    window = {"max_position_embeddings": 16384 if rope is RELEASED else 512}
    del config["rope_parameters"]
    positions = {"rope_parameters": rope} if rope else {}
    (folder / "config.json").write_text(json.dumps(config | positions | window | more), "utf-8")
    return folder


def written(base: Path, rope: dict[str, Any]) -> tuple[Path, Path]:
    """A model with such positions, and the folder of its GGUF file."""
    folder, made = scaled(base, base.parent / "scaled", rope), base.parent / "made"
    write_gguf(folder, made / "model-f16.gguf", "f16")
    shutil.copyfile(folder / "tokenizer.json", made / "tokenizer.json")
    shutil.copyfile(folder / "tokenizer_config.json", made / "tokenizer_config.json")
    return folder, made


@pytest.fixture
def base(tmp_path: Path, tiny_model: Path) -> Path:
    """The tiny model with attention that looks at places, as random weights of the usual size hardly do."""
    import torch

    folder: Path = shutil.copytree(tiny_model, tmp_path / "base")
    model = load_model(folder, "fp32", device="cpu")
    draw = torch.Generator().manual_seed(4)
    for name, weight in model.named_parameters():
        if "self_attn" in name:
            torch.nn.init.normal_(weight, std=0.3, generator=draw)
    model.save_pretrained(folder)
    return folder


def said(path: Path) -> dict[str, Any]:
    from gguf import GGUFReader

    return {name: field.contents() for name, field in GGUFReader(path).fields.items() if "rope" in name}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_model_with_scaled_positions_answers_from_gguf_as_before(base: Path, name: str, dtype: Any) -> None:
    import torch

    folder, made = written(base, FORMS[name])
    model, again = load_model(folder, dtype, device="cpu"), load_model(made, dtype, device="cpu")
    check_read(model, again, "f16")
    assert again.config.rope_parameters == model.config.rope_parameters
    assert again.model.rotary_emb.inv_freq.dtype == torch.float32, "16 bits would turn far positions elsewhere"
    ids = torch.randint(3, 300, (1, 500), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted, given = model(ids).logits, again(ids).logits
        plain = load_model(base, dtype, device="cpu")(ids).logits
    error, lost = (float((other - wanted).norm() / wanted.norm()) for other in (given, plain))
    assert error < (1e-2 if dtype == "fp32" else 0.2)
    assert lost > 0.8, "a scaling that is lost is seen in the logits"


def test_the_tensor_of_llama_is_what_the_models_own_frequencies_are_divided_by(base: Path) -> None:
    import torch
    from gguf import GGUFReader

    folder, made = written(base, LLAMA3)
    [tensor] = [each for each in GGUFReader(made / "model-f16.gguf").tensors if each.name == "rope_freqs.weight"]
    divided, plain = (load_model(each, "fp32", device="cpu").model.rotary_emb.inv_freq for each in (folder, base))
    found = torch.tensor(tensor.data)
    assert tensor.tensor_type.name == "F32"
    torch.testing.assert_close(plain / found, divided)
    assert found.min() == 1
    assert found.max() == 8
    assert bool(((found > 1) & (found < 8)).any()), "a band between the two"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("linear", {"type": "linear", "factor": 4.0}),
        ("yarn", {"type": "yarn", "factor": 4.0, "original_context_length": 128}),
        # llama.cpp multiplies what it computes itself, .1 ln(factor) + 1.
        ("sharper", {"type": "yarn", "factor": 4.0, "original_context_length": 128, "attn_factor": 1.5 / 1.1386294}),
    ],
)
def test_llama_cpp_is_told_in_its_own_words(base: Path, name: str, words: dict[str, Any]) -> None:
    _, made = written(base, FORMS[name])
    start = "llama.rope.scaling."
    found = {key.removeprefix(start): value for key, value in said(made / "model-f16.gguf").items() if start in key}
    assert found.pop("type") == words.pop("type")
    assert found == pytest.approx(words)


@pytest.mark.parametrize("rope", [RELEASED, LINEAR, YARN], ids=lambda rope: rope["rope_type"])
def test_files_of_llama_cpps_own_conversion_are_read_with_their_scaling(
    base: Path, rope: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, made = written(base, rope)
    # They lack the key of ours.
    monkeypatch.setattr("executors.gguf_positions.KEPT", "other.key")
    again = load_model(made, "fp32", device="cpu")
    check_read(load_model(folder, "fp32", device="cpu"), again, "f16")
    assert again.config.rope_parameters == rope


def test_divisors_that_no_release_has_are_not_guessed(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoConfig

    folder, made = written(base, LLAMA3)
    path, config = made / "model-f16.gguf", AutoConfig.from_pretrained(folder)
    assert json.loads(said(path)[KEPT]) == read_positions(path, config) == LLAMA3
    monkeypatch.setattr("executors.gguf_positions.KEPT", "other.key")
    with pytest.raises(InputError, match="not those of a release of Llama"):
        read_positions(path, config)


def test_a_scaling_that_is_lost_fails_the_step(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, made = written(base, LLAMA3)
    monkeypatch.setattr("executors.gguf_positions.read_positions", lambda path, config: None)
    with pytest.raises(RunError, match="positions of the model came back from GGUF as others"):
        check_read(load_model(folder, "bf16", device="cpu"), load_model(made, "bf16", device="cpu"), "f16")


@pytest.mark.parametrize("word", ["type", "rope_type"])
def test_configurations_of_earlier_releases_of_transformers_are_understood(base: Path, word: str) -> None:
    """Llama 3.1 says `rope_scaling`, with the theta beside it."""
    rope = {name: value for name, value in LLAMA3.items() if name not in ("rope_theta", "rope_type")}
    folder = scaled(base, base.parent / "old", {}, rope_scaling=rope | {word: "llama3"}, rope_theta=5e5)
    path = base.parent / "made.gguf"
    write_gguf(folder, path, "f16")
    kept = json.loads(said(path)[KEPT])
    assert {name: kept[name] for name in LLAMA3} == LLAMA3 | {"rope_theta": 5e5}
    assert said(path)["llama.rope.freq_base"] == 5e5


@pytest.mark.parametrize(
    ("rope", "more", "why"),
    [
        (LINEAR | {"rope_type": "dynamic"}, {}, "Rotary scaling `dynamic` is not written"),
        (YARN | {"beta_fast": 64}, {}, "another beta_fast than llama.cpp's own"),
        (YARN | {"truncate": False}, {}, "another truncate than"),
        (LLAMA3, {"architectures": ["Qwen2ForCausalLM"]}, "`llama3` is not written as GGUF here for qwen2"),
    ],
)
def test_what_llama_cpp_computes_otherwise_is_refused(
    base: Path, rope: dict[str, Any], more: dict[str, Any], why: str
) -> None:
    with pytest.raises(InputError, match=why):
        write_gguf(scaled(base, base.parent / "scaled", rope, **more), base.parent / "made.gguf", "f16")
    assert not (base.parent / "made.gguf").exists()
