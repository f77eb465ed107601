"""Reads fields of a Hugging Face config.json under their many names, with checks, and says what is missing."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from planner.memory.errors import EstimateError
from planner.memory.families.defaults import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Mapping

ALIASES: dict[str, tuple[str, ...]] = {
    "hidden": ("hidden_size", "n_embd", "d_model", "dim", "model_dim"),
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "n_kv_heads"),
    "intermediate": ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "hidden_dim"),
    "vocab": ("vocab_size",),
    "experts": ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    "top_k": ("num_experts_per_tok", "moe_k", "moe_topk", "num_selected_experts"),
    "positions": ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length"),
    "activation": ("hidden_act", "hidden_activation", "activation_function", "activation"),
}
LIMITS = {"hidden": 2**20, "layers": 2**14, "heads": 2**16, "kv_heads": 2**16, "intermediate": 2**22, "vocab": 2**26}


class Config:
    """A config.json with the defaults of its model type behind it.

    Use `size` for a number that must be there, `number` for one that may be absent, `flag` and `get` for the rest.
    """

    def __init__(self, raw: Mapping[str, Any]):
        """Look up the defaults that transformers would fill in for this model type."""
        self.raw = raw
        self.model_type = str(raw.get("model_type", ""))
        self._defaults = DEFAULTS.get(self.model_type, {})

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a field, of its default in transformers, or the given one."""
        value = self.raw[key] if key in self.raw else self._defaults.get(key)
        return default if value is None else value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return a switch."""
        return bool(self.get(key, default))

    def number(self, name: str, default: int | None = None) -> int | None:
        """Return a positive whole number under any of its names, or the default when it is nowhere.

        Raises:
            EstimateError: when the value is not a positive whole number or beyond any model that exists.
        """
        keys = ALIASES.get(name, (name,))
        for key in keys:
            if key in self.raw:
                value = self.raw[key]
                return default if value is None else _whole(key, value, LIMITS.get(name, 2**40))
        for key in keys:
            if self._defaults.get(key) is not None:
                return int(self._defaults[key])
        return default

    def number_or_zero(self, key: str) -> int:
        """Return a whole number that may be zero or absent, such as how many first layers are dense."""
        value = self.get(key, 0)
        return int(value) if isinstance(value, (int, float)) else 0

    def word(self, name: str, default: str) -> str:
        """Return a name, such as that of the activation, under any of the fields that hold it."""
        for key in ALIASES.get(name, (name,)):
            value = self.get(key)
            if isinstance(value, str):
                return value
        return default

    def size(self, name: str) -> int:
        """Return a number without which nothing can be computed.

        Raises:
            EstimateError: when it is absent or not a positive whole number.
        """
        value = self.number(name)
        if value is None:
            keys = ALIASES.get(name, (name,))
            raise EstimateError(
                f"The model's config has no {keys[0]}.", field=keys[0], value=None, allowed=f"one of {', '.join(keys)}"
            )
        return value


def _whole(key: str, value: object, limit: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value) or int(value) != value:
        raise EstimateError(f"{key} is {value!r}, not a whole number.", field=key, value=value, allowed=f"1 to {limit}")
    if not 0 < value <= limit:
        raise EstimateError(
            f"{key} is {value:g}, outside what a model can have.", field=key, value=value, allowed=f"1 to {limit}"
        )
    return int(value)
