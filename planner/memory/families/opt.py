"""OPT, which may embed in a narrower width and project in and out of it [opt-2022]."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planner.memory.architecture import Linear
from planner.memory.families.decoder import dense
from planner.memory.families.layouts import LAYOUTS

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture
    from planner.memory.config_reader import Config


def opt(config: Config) -> Architecture:
    """Return the architecture of an OPT decoder.

    Raises:
        EstimateError: when a size is missing, not positive, or heads do not divide.
    """
    layout = LAYOUTS["opt"]
    if not config.flag("do_layer_norm_before", default=True) or config.flag("_remove_final_layer_norm"):
        layout = replace(layout, final_norm=None)
    architecture = dense(config, layout)
    hidden = architecture.hidden
    narrow = config.number("word_embed_proj_dim") or hidden
    if narrow == hidden:
        return architecture
    words, *rest = architecture.embeddings
    return replace(
        architecture,
        embeddings=(replace(words, width=narrow), *rest),
        linears=(
            Linear(f"{layout.root}.project_in", narrow, hidden, role="project"),
            Linear(f"{layout.root}.project_out", hidden, narrow, role="project"),
        ),
        head=Linear(layout.head, narrow, architecture.vocab, role="head"),
    )
