"""Attention of variable length: rows stand behind each other in one sequence, and none is multiplied with another.

The kernel is torch's own (flash attention on CUDA from compute capability 8.0 on), so that no package must be built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Under which transformers finds it.
VARLEN = "adapt_varlen"


def register() -> str:
    """Make the kernel known to transformers, without a mask; returns its name."""
    from transformers import AttentionInterface

    AttentionInterface.register(VARLEN, attend)
    return VARLEN


def in_one_row(ids: torch.Tensor, places: torch.Tensor | None) -> tuple[torch.Tensor, dict[str, Any]]:
    """A batch as one row, with what tells the kernel where each of its rows begins.

    Args:
        ids: token ids (batch, length), padded on the right; a token never sees what stands to its right.
        places: of each token in its row, where several rows share a sequence: 0 begins a row.
    """
    import torch

    if places is None:
        places = torch.arange(ids.shape[1], device=ids.device).repeat(len(ids), 1)
    places = places.reshape(1, -1)
    begins = (places[0] == 0).nonzero().squeeze(1)
    bounds = torch.cat([begins, begins.new_tensor([places.shape[1]])]).to(torch.int32)
    longest = int(bounds.diff().max())
    lengths = {"cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds, "max_length_q": longest, "max_length_k": longest}
    return ids.reshape(1, -1), {"position_ids": places, **lengths}


def attend(
    _module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _attention_mask: Any,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    cu_seq_lens_q: torch.Tensor,
    max_length_q: int,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each row; queries, keys and values are (1, heads, tokens, width)."""
    from torch.nn.attention.varlen import varlen_attn

    queries, keys, values = (each[0].transpose(0, 1) for each in (query, key, value))
    said: torch.Tensor = varlen_attn(
        queries,
        keys,
        values,
        cu_seq_lens_q,
        cu_seq_lens_q,
        max_length_q,
        max_length_q,
        scale=scaling,
        window_size=(-1 if sliding_window is None else sliding_window - 1, 0),
        enable_gqa=queries.shape[1] != keys.shape[1],
    )
    return said[None], None
