"""Torch's kernel needs CUDA: here a plain one stands in for it, and the way to it is tested."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from executors.train.packing import check_apart, pack
from tests.executors.train.test_packing import rows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def plain(query: Any, key: Any, value: Any, bounds: Any, *_: Any, scale: float, enable_gqa: bool, **more: Any) -> Any:
    """Row by row, as the kernel is documented."""
    import torch

    assert more == {"window_size": (-1, 0)}
    attend, parts, ends = torch.nn.functional.scaled_dot_product_attention, [], bounds.tolist()
    for begin, end in pairwise(ends):
        row = (each[begin:end].transpose(0, 1)[None] for each in (query, key, value))
        parts.append(attend(*row, is_causal=True, scale=scale, enable_gqa=enable_gqa)[0].transpose(0, 1))
    return torch.cat(parts)


@pytest.mark.parametrize("packed", [True, False])
def test_rows_in_one_line_have_the_logits_of_rows_side_by_side(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    import torch

    from executors.models import load_model
    from executors.train.loss import HeadRows, collate

    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", plain)
    examples = pack(rows(), 12) if packed else rows()
    batch = collate([each.encoded for each in examples.kept], 0.1, pad_id=0)
    found = []
    for attention in ("flash", "sdpa"):
        model = load_model(tiny_model, "fp32", device="cpu", attention=attention)
        head = HeadRows(model)
        check_apart(model, head)
        with torch.no_grad():
            found.append(head.logits(model, batch["ids"], batch["kept"], batch["places"]))
    torch.testing.assert_close(*found, rtol=0, atol=1e-5)


@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="torch's kernel needs CUDA")
def test_the_kernel_of_this_device(tiny_model: Path) -> None:
    import torch

    from executors.models import load_model
    from executors.train.loss import HeadRows, collate

    batch = collate([each.encoded for each in pack(rows(), 12).kept], 0.1, pad_id=0)
    places, ids, kept = (batch[name].cuda() for name in ("places", "ids", "kept"))
    found = []
    for attention in ("flash", "sdpa"):
        model = load_model(tiny_model, "bf16", device="cuda", attention=attention)
        with torch.no_grad():
            found.append(HeadRows(model).logits(model, ids, kept, places).float())
    torch.testing.assert_close(*found, rtol=0, atol=0.05)
