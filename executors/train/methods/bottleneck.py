"""Bottleneck adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.bottleneck import attach
from executors.train.methods.applied import Applied, only
from executors.train.params import given

if TYPE_CHECKING:
    from executors.train.params import TrainParams


def adapter(model: Any, params: TrainParams) -> Applied:
    """Two a block, each down and up with biases [houlsby-2019]: hidden x width x 2 + width + hidden."""
    width = given(params.bottleneck)
    inserted = attach(model, width)
    only(model, (weight for each in inserted for weight in each.parameters()))
    hidden = model.config.get_text_config(decoder=True).hidden_size
    return Applied(model, len(inserted) * (2 * hidden * width + width + hidden))
