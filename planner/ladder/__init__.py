"""From decisions to steps: the ladder with its gates."""

from planner.ladder.alternatives import alternatives
from planner.ladder.draft import Draft
from planner.ladder.idle_pins import idle_pins
from planner.ladder.lower import lower
from planner.ladder.pins import pins
from planner.ladder.risks import risks

__all__ = ["Draft", "alternatives", "idle_pins", "lower", "pins", "risks"]
