"""Weights in fewer bits are the same after a pass in evaluation mode; some kernels repack them for good."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from executors.models import load_adapter, load_model
from executors.quantize.apart import BITS_APART
from executors.quantize.executor import BITS
from tests.executors.merge.test_adapters import lora
from tests.executors.quantize.test_quantize import FORMS, GROUP

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning"),
]
# Of a device that is not here, or searched on one.
ELSEWHERE = {"int4", "fp8", "awq"}
# Formats of compressed-tensors, with how activations are rounded.
FORMATS = {
    "w4a16": ("pack-quantized", "int", None),
    "w8a8": ("int-quantized", "int", 8),
    "fp8-dynamic": ("float-quantized", "float", 8),
    "fp8-weight": ("naive-quantized", "float", None),
}
# gptqmodel's numbers are written in the format of w4a16.
FORMATS["gptq"] = FORMATS["w4a16"]


def test_every_form_is_guarded() -> None:
    """Those of this environment by `test_fewer_bits_answer_nearly_as_all`."""
    assert set(BITS) - ELSEWHERE == {*FORMATS, *(form[0] for form in FORMS)}
    assert set(FORMATS) == set(BITS_APART) - ELSEWHERE


@pytest.mark.parametrize("method", sorted(set(FORMATS) - {"gptq"}))
def test_a_form_of_another_environment_answers_alike_at_every_pass(
    tmp_path: Path, tiny_model: Path, method: str
) -> None:
    """Without its environment: rounded to nearest here, in the files that it writes."""
    import torch

    from executors.evaluate.packed import packed_linears

    pytest.importorskip("compressed_tensors")
    folder = rounded(tiny_model, tmp_path / method, method)
    given = answers_alike(folder)
    far = given - answers(tiny_model)[0]
    assert 0 < float(far.abs().mean()) < 0.02, "it is the model that was rounded, no other"
    with packed_linears(model := load_model(folder, "bf16", device="cpu")), torch.inference_mode():
        near = model(torch.arange(5, 40)[None]).logits.float() - given
    assert float(near.abs().mean()) < 0.2 * float(far.abs().mean()), "and answers so while it is measured"


@pytest.mark.parametrize("method", ["w4a16", "fp8-dynamic"])
def test_an_adapter_is_put_beside_weights_of_another_environment(tmp_path: Path, tiny_model: Path, method: str) -> None:
    import torch

    pytest.importorskip("compressed_tensors")
    folder = rounded(tiny_model, tmp_path / method, method)
    adapter = lora(tiny_model, tmp_path / "adapter", seed=1, r=4, target_modules=["q_proj", "v_proj"])
    ids = torch.arange(5, 40)[None]
    with torch.inference_mode():
        whole, small = (
            load_adapter(load_model(base, "bf16", device="cpu"), adapter)(ids).logits.float()
            for base in (tiny_model, folder)
        )
    moved = float((whole - answers(tiny_model)[0]).abs().mean())
    assert float((small - whole).abs().mean()) < 0.2 * moved


def answers(folder: Path, passes: int = 1) -> list[Any]:
    """Logits of one reading of a model, pass by pass."""
    import torch

    ids = torch.arange(5, 40)[None]
    with torch.inference_mode():
        model = load_model(folder, "bf16", device="cpu")
        return [model(ids).logits.float() for _ in range(passes)]


def answers_alike(folder: Path) -> Any:
    """The logits of a model, which two passes and another reading give bit for bit."""
    import torch

    first, *others = [*answers(folder, passes=2), *answers(folder)]
    assert all(torch.equal(first, other) for other in others)
    return first


def rounded(base: Path, folder: Path, method: str) -> Path:
    """A copy of a model in the files of compressed-tensors."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, folder)
    stored = load_file(folder / "model.safetensors")
    for name in [name for name in stored if "proj" in name]:
        stored |= _stored(name, stored.pop(name).float(), method)
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    form, kind, activations = FORMATS[method]
    weights = {"num_bits": BITS[method][0], "type": kind, "symmetric": True, "strategy": "channel"}
    weights |= {"strategy": "group", "group_size": GROUP} if form == "pack-quantized" else {}
    inputs = {"num_bits": activations, "type": kind, "symmetric": True, "strategy": "token", "dynamic": True}
    group = {"targets": ["Linear"], "weights": weights, "input_activations": inputs if activations else None}
    config = {"quant_method": "compressed-tensors", "format": form, "quantization_status": "compressed"}
    config |= {"config_groups": {"group_0": group | {"format": form}}, "ignore": ["lm_head"]}
    said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(said | {"quantization_config": config}), encoding="utf-8")
    return folder


def _stored(name: str, weight: Any, method: str) -> dict[str, Any]:
    """A matrix rounded to nearest, with its scales."""
    import torch
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32

    if FORMATS[method][0] == "pack-quantized":
        groups = weight.unflatten(1, (-1, GROUP))
        scale = groups.abs().amax(-1, keepdim=True) / 7
        whole = (groups / scale).round().clamp(-8, 7).flatten(1).to(torch.int8)
        packed = {"packed": pack_to_int32(whole, 4), "shape": torch.tensor(weight.shape)}
        return {f"{name}_{part}": value for part, value in packed.items()} | {f"{name}_scale": scale[..., 0].bfloat16()}
    most = 127 if FORMATS[method][1] == "int" else torch.finfo(torch.float8_e4m3fn).max
    scale = weight.abs().amax(1, keepdim=True) / most
    parts = weight / scale
    small = parts.round().to(torch.int8) if FORMATS[method][1] == "int" else parts.to(torch.float8_e4m3fn)
    return {name: small, f"{name}_scale": scale.bfloat16()}
