"""From a config.json to an architecture, parsed once and remembered."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from planner.memory.architecture import Architecture, Quantization
from planner.memory.config_reader import Config
from planner.memory.errors import EstimateError, near_names
from planner.memory.families import BUILDERS, KNOWN_TYPES
from planner.memory.families.decoder import dense
from planner.memory.families.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_architecture(config: Mapping[str, Any]) -> Architecture:
    """Return what memory math needs to know of the model that a config.json describes.

    Equal configs return the same object, so parse once and estimate often. A model type that has no table here is
    described as a llama-like decoder with `known` False, what was guessed in `missing`, and wide intervals later.

    Args:
        config: the parsed config.json of a Hugging Face checkpoint; a nested ``text_config`` is followed.

    Raises:
        EstimateError: when a needed field is absent, not a positive whole number, or heads do not divide.
    """
    if not isinstance(config, dict):
        config = dict(config)
    try:
        text = json.dumps(config, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise EstimateError(
            "The model's config is not plain JSON.",
            field="config",
            value=type(config).__name__,
            allowed="a JSON object",
        ) from error
    return _read(text)


@lru_cache(maxsize=512)
def _read(text: str) -> Architecture:
    raw: dict[str, Any] = json.loads(text)
    inner = raw.get("text_config") or raw.get("llm_config")
    notes: tuple[str, ...] = ()
    if isinstance(inner, dict) and "hidden_size" in inner:
        notes = ("only the language part is counted: the vision or audio tower is not",)
        outer: dict[str, Any] = {key: raw[key] for key in ("quantization_config", "tie_word_embeddings") if key in raw}
        raw = {**outer, "model_type": f"{raw.get('model_type', '')}_text", **inner}
    config = Config(raw)
    builder = BUILDERS.get(config.model_type)
    architecture = builder(config) if builder else _unknown(config)
    return replace(
        architecture, notes=(*architecture.notes, *notes), quantization=_quantization(raw.get("quantization_config"))
    )


def _unknown(config: Config) -> Architecture:
    """Describe a model type that has no table as a llama-like decoder, saying what that assumes."""
    near = near_names(config.model_type, KNOWN_TYPES)
    resembles = f"; resembles {near[0]}" if near else ""
    what = (
        f"model_type {config.model_type!r} has no table{resembles}"
        if config.model_type
        else "the config has no model_type"
    )
    guessed = dense(config, Layout(qkv_bias="attention_bias", o_bias="attention_bias", mlp_bias="mlp_bias"))
    return replace(
        guessed,
        known=False,
        missing=(what, "module names, norms, biases and feed-forward were taken to be those of llama"),
    )


def _quantization(raw: object) -> Quantization | None:
    if not isinstance(raw, dict):
        return None
    method = str(raw.get("quant_method", "unknown"))
    bits = raw.get("bits") or raw.get("w_bit")
    if bits is None:
        bits = 4 if raw.get("load_in_4bit") or method in {"mxfp4", "awq"} else 8
    return Quantization(method, float(bits), int(raw.get("group_size") or raw.get("q_group_size") or 0))


def architecture_of_size(parameters: int) -> Architecture:
    """Return a stand-in for a model of which only the parameter count is known, with wide intervals later.

    Equal counts return the same object, as `read_architecture` does.

    The shape is the llama-like one whose layers have 12 h^2 values, h near 128 times the layers, as dense decoders
    of 0.1 to 100 billion parameters have it [kaplan-2020, table 1].

    Args:
        parameters: how many values the model has.

    Raises:
        EstimateError: when the count is not between one million and a hundred trillion.
    """
    if not isinstance(parameters, int) or not 10**6 <= parameters <= 10**14:
        raise EstimateError(
            f"params {parameters!r} is not a model's size.", field="params", value=parameters, allowed="1e6 to 1e14"
        )
    return _of_size(parameters)


@lru_cache(maxsize=4096)
def _of_size(parameters: int) -> Architecture:
    hidden = max(128, 128 * round((parameters * 128 / 12) ** (1 / 3) / 128))
    layers = max(1, round(parameters / (12 * hidden**2)))
    config = {
        "model_type": "",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 64,
        "num_key_value_heads": hidden // 64,
        "intermediate_size": hidden * 8 // 3,
        "vocab_size": 64_000,
    }
    return replace(
        _unknown(Config(config)), declared_parameters=parameters, missing=("only the number of parameters is known",)
    )
