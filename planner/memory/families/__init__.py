"""Which builder describes which model type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.families.decoder import dense
from planner.memory.families.encoder import ENCODERS, encoder
from planner.memory.families.falcon import falcon
from planner.memory.families.layouts import LAYOUTS
from planner.memory.families.moe import MIXTURES, latent_dense, mixture
from planner.memory.families.opt import opt

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.memory.architecture import Architecture
    from planner.memory.config_reader import Config

BUILDERS: dict[str, Callable[[Config], Architecture]] = {
    **dict.fromkeys(LAYOUTS, dense),
    **dict.fromkeys(MIXTURES, mixture),
    **dict.fromkeys(ENCODERS, encoder),
    "falcon": falcon,
    "opt": opt,
    "minicpm3": latent_dense,
}
KNOWN_TYPES = tuple(sorted(BUILDERS))
