"""The key-value cache of a batch: the shared prefix computed once, room for all that follows reserved once."""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """A cache layer that writes into reserved room; the library's own copies everything at every token."""

    def __init__(self, prefix: Any, batch: int, room: int) -> None:
        """Start from the prefix, of shape [1, heads, length, dim], for `batch` rows and `room` positions in all."""
        super().__init__()
        self.lazy_initialization(prefix.keys, prefix.values)
        self.length = prefix.keys.shape[-2]
        self._keys, self._values = (_reserve(tensor, batch, room) for tensor in (prefix.keys, prefix.values))
        self._show()

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:  # noqa: ARG002
        """Write the new positions and return all that are filled."""
        end = self.length + key_states.shape[-2]
        self._keys[:, :, self.length : end] = key_states
        self._values[:, :, self.length : end] = value_states
        self.length = end
        self._show()
        return self.keys, self.values

    def batch_select_indices(self, indices: Any) -> None:
        """Keep these rows only."""
        self._keys, self._values = self._keys[indices], self._values[indices]
        self._show()

    def _show(self) -> None:
        self.keys, self.values = self._keys[:, :, : self.length], self._values[:, :, : self.length]


def prefill(model: Any, prefix: list[int]) -> Any | None:
    """The cache of a shared prefix, of batch size 1; None where the model's attention cannot continue from one.

    Sliding windows, recurrent states and models without position ids see padding between prefix and request.
    """
    cache = DynamicCache(config=model.config)
    if not prefix or not all(type(layer) is DynamicLayer for layer in cache.layers):
        return None
    model(
        input_ids=torch.tensor([prefix], device=model.device), past_key_values=cache, use_cache=True, logits_to_keep=1
    )
    return cache


def batch_cache(model: Any, shared: Any | None, batch: int, room: int) -> Any:
    """A cache for `batch` rows that starts with the shared prefix, with room for `room` positions after it."""
    cache = DynamicCache(config=model.config)
    if shared is not None:
        length = shared.get_seq_length()
        cache.layers = [RoomyLayer(layer, batch, length + room) for layer in shared.layers]
    return cache


def _reserve(tensor: Any, batch: int, room: int) -> Any:
    _, heads, length, dim = tensor.shape
    reserved = tensor.new_empty(batch, heads, room, dim)
    reserved[:, :, :length] = tensor
    return reserved
