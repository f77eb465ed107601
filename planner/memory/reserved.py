"""What the caching allocator holds beyond live tensors: holes that later tensors do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.interval import Interval

if TYPE_CHECKING:
    from planner.memory.fixed import Fixed
    from planner.memory.moments import Moment
    from planner.memory.setting import TrainingSetting

#: Reserved over allocated for the part of memory that comes and goes within a step, by (all weights train,
#: checkpointing): 5th percentile, median and highest but one percent over 401 replays of the allocator.
DYNAMIC: dict[tuple[bool, bool], Interval] = {
    (False, False): Interval(1.0, 1.09, 1.23),
    (False, True): Interval(1.02, 1.30, 1.72),
    (True, False): Interval(1.0, 1.12, 1.68),
    (True, True): Interval(1.0, 1.18, 1.46),
}
#: No replay of a common setting held more than this times what was allocated.
HIGHEST = 1.28


def reserved_bytes(setting: TrainingSetting, fixed: Fixed, peak: Moment) -> Interval:
    """Return the bytes the allocator holds at the peak, for the expected live bytes.

    Weights and states are allocated once and leave no holes, so only the rest is stretched.
    """
    total = peak.bytes
    persistent = min(fixed.weights + fixed.states, total)
    low, middle, high = (
        persistent + share * (total - persistent) for share in DYNAMIC[fixed.trains_all, setting.checkpointing]
    )
    return Interval(low, min(middle, HIGHEST * total), min(high, HIGHEST * total))
