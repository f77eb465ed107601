"""Attention of rows that begin alike: one sequence holds what they share once, and behind it the rest of each.

The prefix sees itself; the rest of a row sees the prefix and itself, as in a row of its own. Each part is computed by
the kernel that the model was loaded with, so that whatever the library does in it holds here too.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Kernels of transformers, and under which name each is found with rows that share a prefix.
PREFIXED = {"sdpa": "adapt_prefixed_sdpa", "eager": "adapt_prefixed_eager"}
PLAIN = {name: kernel for kernel, name in PREFIXED.items()}


def register() -> None:
    """Make the kernels known to transformers; without a prefix each does what it did."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    for kernel, name in PREFIXED.items():
        AttentionInterface.register(name, attend)
        AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[kernel])


def told(model: Any, prefix: int, row: int) -> dict[str, Any]:
    """What a model is given so that its attention keeps rows apart behind their prefix.

    Args:
        model: whose kernel is one of these.
        prefix: tokens that all rows begin with.
        row: tokens of the longest row, with the prefix.
    """
    import torch

    table = model.get_input_embeddings().weight
    seen = torch.ones(row, row, dtype=torch.bool, device=model.device).tril()
    if PLAIN[model.config._attn_implementation] == "eager":
        least = torch.finfo(table.dtype).min
        seen = torch.zeros_like(seen, dtype=table.dtype).masked_fill_(~seen, least)
    # Masks of four dimensions reach the kernel as they are.
    return {"attention_mask": seen[None, None], "prefix_tokens": prefix}


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    *,
    prefix_tokens: int | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each row; queries, keys and values are (1, heads, prefix + rows x rest, width).

    Args:
        module: the layer of attention.
        query: of all tokens.
        key: of all tokens.
        value: of all tokens.
        attention_mask: of the longest row (1, 1, prefix + rest, prefix + rest); the model's own without a prefix.
        prefix_tokens: that all rows share; None where rows stand side by side.
        more: what the kernel takes.
    """
    import torch

    plain = _plain(module)
    if prefix_tokens is None:
        given: tuple[torch.Tensor, None] = plain(module, query, key, value, attention_mask, **more)
        return given
    row = attention_mask.shape[-1]
    rest, begin = row - prefix_tokens, [each[:, :, :prefix_tokens] for each in (query, key, value)]
    said = plain(module, *begin, attention_mask[:, :, :prefix_tokens, :prefix_tokens], **more)[0]
    if not rest:
        return said, None

    def rows(each: torch.Tensor) -> torch.Tensor:
        """(rows, heads, rest, width)."""
        return each[0, :, prefix_tokens:].unflatten(1, (-1, rest)).transpose(0, 1)

    queries = rows(query)
    keys, values = (
        torch.cat([shared.expand(len(queries), -1, -1, -1), rows(each)], 2)
        for shared, each in ((begin[1], key), (begin[2], value))
    )
    each = plain(module, queries, keys, values, attention_mask[:, :, prefix_tokens:], **more)[0]
    return torch.cat([said, each.flatten(0, 1)[None]], 1), None


def _plain(module: Any) -> Any:
    """The kernel of transformers that a layer would have called; plain products are a function of each architecture."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    kernel = PLAIN[module.config._attn_implementation]
    return (
        sys.modules[type(module).__module__].eager_attention_forward
        if kernel == "eager"
        else (ALL_ATTENTION_FUNCTIONS[kernel])
    )
