"""Merges that cannot be: one sentence each, and nothing half-written."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from planner.documents import InputError, RunError
from tests.executors.finetunes import weights
from tests.executors.merge.merges import MARKS, merge, values
from tests.executors.tiny import make_tiny_model

if TYPE_CHECKING:
    from pathlib import Path

    from executors.merge import MergeModelsParams

pytestmark = MARKS


def spoiled(tmp_path: Path, family: dict[str, Path], how: str) -> Path:
    folder: Path = shutil.copytree(family["two"], tmp_path / "bad")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    whole = folder / "model.safetensors"
    if how == "shape":
        shutil.rmtree(folder)
        narrow = make_tiny_model(folder)
        from transformers import LlamaConfig, LlamaForCausalLM

        LlamaForCausalLM(LlamaConfig(**config | {"intermediate_size": 96})).save_pretrained(narrow)
    elif how == "base":
        shutil.rmtree(folder)
        make_tiny_model(folder, seed=11)
    elif how == "tokens":
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        (folder / "tokenizer.json").write_text(text.replace("<|im_start|>", "<|im_begin|>"), encoding="utf-8")
    elif how == "shard":
        index = {"metadata": {}, "weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    elif how == "cut":
        whole.write_bytes(whole.read_bytes()[:-1000])
    elif how == "quantized":
        quantization = {"quantization_config": {"quant_method": "bitsandbytes"}}
        (folder / "config.json").write_text(json.dumps(config | quantization), encoding="utf-8")
    elif how == "pickle":
        whole.unlink()
    return family["one"] if how == "twice" else folder


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("shape", r"not of one shape: model\.layers\.0\.mlp\.down_proj\.weight is 64 x 128 in source-0 and 64 x 96"),
        ("base", r"source-1 and source-0 do not come from one base: the cosine of their matrices is at most"),
        ("tokens", r"vocabularies differ: the token .* in source-0 and .* in source-1"),
        ("shard", r"lack the file model-00001-of-00002\.safetensors"),
        ("cut", r"model\.safetensors is cut off"),
        ("quantized", "source-1 is quantized"),
        ("pickle", r"lack the file model\.safetensors"),
        ("twice", "named twice"),
    ],
)
def test_bad_sources_are_one_sentence_and_leave_nothing(
    tmp_path: Path, family: dict[str, Path], how: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        merge(tmp_path, values("slerp", t=0.5), family["one"], spoiled(tmp_path, family, how))
    assert not list((tmp_path / "out").iterdir())


def test_layers_that_a_source_does_not_have_are_refused(tmp_path: Path, family: dict[str, Path]) -> None:
    given = values("passthrough", 1, layers=3, slices=[{"source": 0, "layers": [0, 3]}])
    with pytest.raises(InputError, match="layers 0 to 3 of source-0, which has 2"):
        merge(tmp_path, given, family["one"])


def test_a_result_that_is_not_finite_fails_and_leaves_nothing(tmp_path: Path, family: dict[str, Path]) -> None:
    huge = make_tiny_model(tmp_path / "huge")
    from safetensors.torch import save_file

    save_file(
        {name: tensor * 1e7 for name, tensor in weights(huge).items()}, huge / "model.safetensors", {"format": "pt"}
    )
    given = values("linear", weights=[0.5, 0.5], normalize=True) | {"dtype": "fp16"}
    with pytest.raises(RunError, match="is not finite"):
        merge(tmp_path, given, family["one"], huge)
    assert not list((tmp_path / "out").iterdir())


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, family: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executors.merge.writing.free_bytes", lambda path: 1000)
    with pytest.raises(RunError, match="The disk is full"):
        merge(tmp_path, values("slerp", t=0.5), family["one"], family["two"])


def test_a_disk_that_fills_up_during_the_merge_is_said_and_leaves_nothing(
    tmp_path: Path, family: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError

    def filling(params: MergeModelsParams, folders: dict[str, Path], out: Path, factors: object) -> None:
        out.mkdir()
        (out / "model-1.safetensors").write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("executors.merge.writing._merge", filling)
    with pytest.raises(RunError, match="The disk is full"):
        merge(tmp_path, values("slerp", t=0.5), family["one"], family["two"])
    assert not list((tmp_path / "out").iterdir())
