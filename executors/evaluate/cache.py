"""The key-value cache of a batch whose rows come and go: room reserved once, prompts placed where a row is free."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from executors.evaluate.cache_format import FORMATS
from planner.documents import InputError

if TYPE_CHECKING:
    from executors.evaluate.cache_format import Format
    from executors.quantized import KvCache


class Columns:
    """The keys or the values of a layer, of shape [rows, heads, columns, dim], in room that is reserved once."""

    def __init__(self, rows: int, room: int, kept: Format, like: Any) -> None:
        """Reserve `room` columns for `rows` rows of the heads, the width and the type of `like`."""
        self.kept, self.dtype = kept, like.dtype
        self._parts = [part.new_zeros(rows, part.shape[1], room, *part.shape[3:]) for part in kept.parts(like[:1])]

    def write(self, rows: Any, start: int, values: Any) -> None:
        """Write columns from `start` on of some rows."""
        for part, new in zip(self._parts, self.kept.parts(values), strict=True):
            part[rows, :, start : start + new.shape[2]] = new

    def read(self, end: int) -> Any:
        """All columns before `end`."""
        return self.kept.values(tuple(part[:, :, :end] for part in self._parts), self.dtype)

    def move(self, start: int, end: int, by: int) -> None:
        """Move the columns of `start + by` to `end` to the left."""
        for part in self._parts:
            part[:, :, start : end - by] = part[:, :, start + by : end].clone()

    def select(self, rows: Any) -> None:
        """Keep these rows only."""
        self._parts = [part[rows] for part in self._parts]

    @property
    def nbytes(self) -> int:
        """Memory of the room."""
        return sum(part.nbytes for part in self._parts)


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """A cache layer that writes into reserved room; the library's own copies everything at every token.

    Columns are shared by all rows: the common prefix, then each row's prompt, ending where the next token is written.
    Where they are kept in fewer bits, the newest are still read as they come, and one layer at a time is whole.
    """

    def __init__(self, rows: int, room: int, kept: Format) -> None:
        """Columns for `rows` rows; reserved when the first are written."""
        super().__init__()
        self.rows, self.room, self.kept = rows, room, kept
        self.filled = 0
        self.columns: tuple[Columns, ...] = ()

    def get_seq_length(self) -> int:
        """Columns that are filled."""
        return self.filled

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:  # noqa: ARG002
        """Write the next columns of all rows and return all that are filled."""
        start, end = self.filled, self.filled + key_states.shape[-2]
        self.place(slice(None), start, key_states, value_states)
        keys, values = (columns.read(end) for columns in self.columns)
        keys[:, :, start:], values[:, :, start:] = key_states, value_states
        return keys, values

    def place(self, rows: Any, start: int, keys: Any, values: Any) -> None:
        """Write columns from `start` on of some rows."""
        if not self.columns:
            self.lazy_initialization(keys, values)
            self.columns = tuple(Columns(self.rows, self.room, self.kept, like) for like in (keys, values))
        for columns, new in zip(self.columns, (keys, values), strict=True):
            columns.write(rows, start, new)
        self.filled = max(self.filled, start + keys.shape[2])

    def close_gap(self, start: int, by: int) -> None:
        """Move all columns after `start + by` to `start`: no row uses those between."""
        for columns in self.columns:
            columns.move(start, self.filled, by)
        self.filled -= by

    def batch_select_indices(self, indices: Any) -> None:
        """Keep these rows only."""
        for columns in self.columns:
            columns.select(indices)


def can_be_placed(model: Any) -> bool:
    """Whether what a row sees does not depend on its column: position ids, no sliding window, no recurrent state."""
    # A peft adapter's own signature shows every argument of forward.
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    layers = DynamicCache(config=model.config).layers
    return "position_ids" in inspect.signature(inner.forward).parameters and all(
        type(layer) is DynamicLayer for layer in layers
    )


def check_placed(model: Any, kept: KvCache) -> None:
    """Refuse fewer bits where a model's cache holds other than the keys and values of every token.

    Raises:
        InputError: it does.
    """
    if kept != "16-bit" and not can_be_placed(model):
        message = f"The cache of this model cannot be kept in {kept}: it has windows that slide, or states that recur."
        raise InputError.one("EVAL018", message, "Keep it in 16 bits: set the decision `kv_cache` to `16-bit`.")


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


def roomy(model: Any, rows: int, room: int, kept: KvCache = "16-bit") -> Any:
    """A cache of roomy layers, whose columns are kept in a format."""
    cache = DynamicCache(config=model.config)
    cache.layers = [RoomyLayer(rows, room, FORMATS[kept]) for _ in cache.layers]
    return cache
