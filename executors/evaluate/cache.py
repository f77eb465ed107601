"""The key-value cache of a batch whose rows come and go: room reserved once, prompts placed where a row is free."""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """A cache layer that writes into reserved room; the library's own copies everything at every token.

    Columns are shared by all rows: the common prefix, then each row's prompt, ending where the next token is written.
    """

    def __init__(self, like: Any, rows: int, room: int) -> None:
        """Reserve `room` columns for `rows` rows of the shape and type of `like`, [rows, heads, columns, dim]."""
        super().__init__()
        self.lazy_initialization(like, like)
        heads, dim = like.shape[1], like.shape[3]
        self._keys, self._values = (like.new_zeros(rows, heads, room, dim) for _ in range(2))
        self.filled = 0
        self._show()

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:  # noqa: ARG002
        """Write the next columns of all rows and return all that are filled."""
        end = self.filled + key_states.shape[-2]
        self._keys[:, :, self.filled : end] = key_states
        self._values[:, :, self.filled : end] = value_states
        self.filled = end
        self._show()
        return self.keys, self.values

    def place(self, rows: Any, start: int, keys: Any, values: Any) -> None:
        """Write columns from `start` on of some rows."""
        self._keys[rows, :, start : start + keys.shape[2]] = keys
        self._values[rows, :, start : start + keys.shape[2]] = values
        self.filled = max(self.filled, start + keys.shape[2])
        self._show()

    def close_gap(self, start: int, by: int) -> None:
        """Move all columns after `start + by` to `start`: no row uses those between."""
        for tensor in (self._keys, self._values):
            tensor[:, :, start : self.filled - by] = tensor[:, :, start + by : self.filled].clone()
        self.filled -= by
        self._show()

    def batch_select_indices(self, indices: Any) -> None:
        """Keep these rows only."""
        self._keys, self._values = self._keys[indices], self._values[indices]
        self._show()

    def _show(self) -> None:
        self.keys, self.values = self._keys[:, :, : self.filled], self._values[:, :, : self.filled]


def can_be_placed(model: Any) -> bool:
    """Whether what a row sees does not depend on its column: no sliding window and no recurrent state."""
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)


def prefill(model: Any, prefix: list[int], before: Any | None = None) -> Any:
    """The cache of a prefix that all prompts share, of batch size 1; `before` it may stand another, which is kept."""
    cache = DynamicCache(config=model.config) if before is None else before
    model(
        input_ids=torch.tensor([prefix], device=model.device), past_key_values=cache, use_cache=True, logits_to_keep=1
    )
    return cache


def soft_prompt(model: Any) -> Any | None:
    """The cache of the virtual tokens that a peft adapter puts before every prompt; None where it puts none."""
    config = getattr(model, "active_peft_config", None)
    if config is None or not config.is_prompt_learning:
        return None
    prompt = model.get_prompt(batch_size=1)
    if config.peft_type == "PREFIX_TUNING":
        return prompt
    cache, base = DynamicCache(config=model.config), model.get_base_model()
    dtype = base.get_input_embeddings().weight.dtype
    base(inputs_embeds=prompt.to(dtype), past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def repeated(model: Any, shared: Any | None, rows: int) -> Any:
    """A cache of `rows` rows that starts with the shared prefix, to be filled by the library."""
    cache = DynamicCache(config=model.config)
    if shared is not None:
        for number, layer in enumerate(shared.layers):
            keys, values = (tensor.expand(rows, -1, -1, -1) for tensor in (layer.keys, layer.values))
            cache.update(keys, values, number)
    return cache


def roomy(model: Any, like: Any, rows: int, room: int) -> Any:
    """A cache of roomy layers with the shapes of another cache's."""
    cache = DynamicCache(config=model.config)
    cache.layers = [RoomyLayer(layer.keys, rows, room) for layer in like.layers]
    return cache
