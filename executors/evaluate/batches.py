"""Which prompts are generated together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def plan_batches(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Indexes in batches of like length, the longest first.

    Like lengths waste little on padding; the longest first shows at once whether memory suffices, and makes the time
    that is left an upper estimate.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def common_prefix(prompts: Sequence[list[int]]) -> int:
    """Tokens that all prompts start with, leaving every prompt at least one of its own; 0 for fewer than two."""
    if len(prompts) < 2:  # noqa: PLR2004 - one prompt shares nothing
        return 0
    first, last = min(prompts), max(prompts)
    most = min(len(prompt) for prompt in prompts) - 1
    return next((at for at in range(most) if first[at] != last[at]), most)
