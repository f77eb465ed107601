"""Rotary positions stretched beyond the context that a model was made for, in a model that is loaded already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.documents import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import JsonValue

# Fields of a configuration that say how positions are read.
FIELDS = ("rope_parameters", "max_position_embeddings")


def scaled(config: Any, kind: str, factor: float) -> dict[str, JsonValue]:
    """What changes in a configuration so that positions reach `factor` times as far.

    Linear interpolation [chen-2023-position-interpolation], dynamic NTK and YaRN [peng-2023-yarn], by the words of
    transformers. Dynamic scaling starts beyond the context that the configuration names, which therefore stays.

    Raises:
        InputError: the model has no rotary positions, or other ones in every kind of layer.
    """
    text = config.get_text_config(decoder=True)
    found = getattr(text, "rope_parameters", None)
    if not isinstance(found, dict) or "rope_theta" not in found:
        message = (
            f"The positions of the model ({text.model_type}) cannot be stretched: they are not of one rotary kind."
        )
        raise InputError.one("TRAIN019", message, "Take a base with a longer context.")
    if found.get("rope_type", "default") != "default":
        message = f"The positions of the model are stretched already ({found['rope_type']})."
        raise InputError.one("TRAIN019", message, "Take the base that it was made of, or set scaling to none.")
    window = int(text.max_position_embeddings)
    changed = {**found, "rope_type": kind, "factor": factor}
    if kind == "yarn":
        changed["original_max_position_embeddings"] = window
    return {
        "rope_parameters": changed,
        "max_position_embeddings": window if kind == "dynamic" else int(window * factor),
    }


def stretch(model: Any, changes: dict[str, JsonValue]) -> None:
    """Set such changes in the configuration of a model, and make what computes its positions anew."""
    text = model.config.get_text_config(decoder=True)
    for name, value in changes.items():
        setattr(text, name, value)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if hasattr(child, "inv_freq") and "Rotary" in type(child).__name__:
                setattr(parent, name, type(child)(text).to(child.inv_freq.device))


def stretched(folder: Path) -> dict[str, JsonValue]:
    """What an adapter changes of its base's positions, by the configuration beside it; nothing where there is none."""
    import json

    file = folder / "config.json"
    if not file.is_file():
        return {}
    found = json.loads(file.read_text(encoding="utf-8"))
    return {name: found[name] for name in FIELDS if name in found}


def window_of(config: Any) -> int | None:
    """Tokens that a model reads in all, by its configuration; None where that does not say."""
    text = config.get_text_config(decoder=True)
    window: int | None = getattr(text, "max_position_embeddings", None)
    rope = getattr(text, "rope_parameters", None) or {}
    return int(window * rope["factor"]) if window and rope.get("rope_type") == "dynamic" else window
