from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from executors.quantized import Quantization


def weights(model: Any) -> Any:
    """Every quantized weight, unpacked."""
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    return [
        dequantize_4bit(module.weight.data, module.weight.quant_state).clone()
        for module in model.modules()
        if isinstance(module, Linear4bit)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_a_forward_pass_leaves_four_bit_weights_as_they_are(tiny_model: Path, kind: Quantization) -> None:
    import torch

    from executors.models import load_model

    model = load_model(tiny_model, "bf16", device="cpu", quantization=kind)
    before = weights(model)
    assert before
    with torch.inference_mode():
        model(torch.arange(40).reshape(2, 20))
    assert all(torch.equal(one, other) for one, other in zip(before, weights(model), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "most"), [("int8", 0.05), ("nf4", 0.3)])
def test_fewer_bits_answer_nearly_as_all_of_them(tiny_model: Path, kind: Quantization, most: float) -> None:
    import torch

    from executors.models import load_model

    ids = torch.arange(40).reshape(2, 20)
    with torch.inference_mode():
        whole = load_model(tiny_model, "bf16", device="cpu")(ids).logits.float()
        fewer = load_model(tiny_model, "bf16", device="cpu", quantization=kind)(ids).logits.float()
    assert 0 < (whole - fewer).norm() / whole.norm() < most
