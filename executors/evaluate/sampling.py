"""Tokens drawn by chance: each answer from random numbers of its own, so that nothing beside it changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence


class Sampling(NamedTuple):
    """How answers are drawn."""

    temperature: float
    """Above 0; logits are divided by it."""
    seeds: tuple[int, ...]
    """The seed of each prompt's answer."""


def draw(logits: Any, temperature: float, uniform: Sequence[float]) -> Any:
    """A token for each row, by inversion of its distribution.

    One uniform number a token decides, whatever the device and the rows beside it; of equal numbers, logits that differ
    by rounding choose the same token but at the edges between tokens.

    Args:
        logits: of the next token, of shape [rows, vocabulary]; minus infinity forbids a token.
        temperature: above 0.
        uniform: a number in [0, 1) for each row.
    """
    heights = torch.softmax(logits.double().cpu() / temperature, dim=-1).cumsum(dim=-1)
    total = heights[:, -1:]
    wanted = torch.tensor(uniform, dtype=torch.float64)[:, None] * total
    # Rounding must not reach the end, beyond which there is no token.
    wanted = torch.minimum(wanted, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(heights, wanted, right=True)[:, 0].to(logits.device)
