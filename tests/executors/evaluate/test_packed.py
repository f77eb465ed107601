"""Linear layers on packed weights, held against the layers themselves."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow

SHAPES = [(64,), (5, 64), (2, 3, 64), (0, 64)]


def layers(dtype: Any) -> Any:
    """Every kind of layer that is packed."""
    import torch
    from transformers.pytorch_utils import Conv1D

    torch.manual_seed(0)
    made = torch.nn.ModuleList([torch.nn.Linear(64, 96), torch.nn.Linear(64, 7, bias=False), Conv1D(96, 64)])
    return made.to(dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("scarce", [False, True], ids=["packed", "memory is scarce"])
def test_layers_compute_the_same(dtype: str, scarce: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from executors.evaluate import packed

    monkeypatch.setattr(packed, "_free_bytes", lambda: 0 if scarce else 2**40)
    model = layers(getattr(torch, dtype))
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype == "float32" else {"rtol": 2e-2, "atol": 2e-2}
    with torch.inference_mode():
        for shape in SHAPES:
            x = torch.randn(*shape).to(getattr(torch, dtype))
            own = [layer(x) for layer in model]
            with packed.packed_linears(model):
                assert all(("forward" in vars(layer)) for layer in model)
                copied = [layer.forward.weight.is_mkldnn for layer in model]
                found = [layer(x) for layer in model]
            assert copied == [not scarce] * 3
            assert not any("forward" in vars(layer) for layer in model)
            for one, other in zip(found, own, strict=True):
                torch.testing.assert_close(one, other, **close)


def test_what_is_not_plain_is_left_alone() -> None:
    import torch
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    from executors.evaluate.packed import packed_linears

    class Own(torch.nn.Linear):
        """A layer with a product of its own."""

    model = torch.nn.ModuleList([torch.nn.Linear(64, 64), Own(64, 64), torch.nn.Linear(64, 64), layers(torch.float16)])
    quantize_(model[0], Int8WeightOnlyConfig())
    model[2].forward = str
    with packed_linears(model):
        assert [layer for layer in model.modules() if "forward" in vars(layer)] == [model[2]]
        assert model[2].forward is str
    assert model[2].forward is str


def test_layers_are_whole_again_after_an_error() -> None:
    import torch

    from executors.evaluate.packed import packed_linears

    model = layers(torch.float32)
    with pytest.raises(KeyError), torch.inference_mode(), packed_linears(model):
        raise KeyError
    assert model[0](torch.randn(3, 64)).requires_grad


def test_a_model_that_is_asked_again_is_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from executors.evaluate.packed import packed_linears

    model, kept = layers(torch.float32), dict[Any, Any]()
    with packed_linears(model, kept):
        first = [layer.forward.weight for layer in model]
    with packed_linears(model, kept):
        assert all(layer.forward.weight is weight for layer, weight in zip(model, first, strict=True))
    with packed_linears(model):
        assert not any(layer.forward.weight is weight for layer, weight in zip(model, first, strict=True))
