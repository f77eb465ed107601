"""What the caching allocator holds beyond live tensors: holes that later tensors do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.interval import Interval

if TYPE_CHECKING:
    from planner.memory.fixed import Fixed
    from planner.memory.moments import Moment
    from planner.memory.setting import TrainingSetting

#: Reserved over allocated for the part of memory that comes and goes within a step, by (all weights train,
#: checkpointing): 5th percentile, median and highest but one percent over 454 replays of the allocator.
DYNAMIC: dict[tuple[bool, bool], Interval] = {
    (False, False): Interval(1.0, 1.09, 1.23),
    (False, True): Interval(1.02, 1.30, 1.72),
    (True, False): Interval(1.0, 1.12, 1.78),
    (True, True): Interval(1.0, 1.18, 1.52),
}
#: The same of main memory, where malloc keeps what was freed between what was not: read off the peaks of five
#: trainings of SmolLM2-135M (LoRA, full; pairs, comparisons), 1.45 to 1.6; with every tensor mapped by itself 1.14.
#: Below 1, since no tensor is rounded up to a segment.
HEAP = Interval(0.9, 1.5, 1.9)
#: No replay held more than this times what was allocated; eager scores of a recomputed layer find no hole after logits.
HIGHEST, HIGHEST_EAGER = 1.32, 1.65


def reserved_bytes(setting: TrainingSetting, fixed: Fixed, peak: Moment) -> Interval:
    """Return the bytes the allocator holds at the peak, for the expected live bytes.

    Weights and states are allocated once and leave no holes, so only the rest is stretched.
    """
    total = peak.bytes
    persistent = min(fixed.weights + fixed.states, total)
    shares = HEAP if setting.processor else DYNAMIC[fixed.trains_all, setting.checkpointing]
    low, middle, high = (persistent + share * (total - persistent) for share in shares)
    if setting.processor:
        return Interval(low, middle, high)
    eager = setting.checkpointing and setting.attention == "eager"
    if eager:
        high = HIGHEST_EAGER * total
    most = (HIGHEST_EAGER if eager else HIGHEST) * total
    return Interval(low, min(middle, most), min(high, most))
