"""Features of texts from a frozen language model: its hidden states, averaged over the tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.evaluate.batches import plan_batches
from executors.models import device_name, load_model, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from executors.models import Dtype

# Parts of the depth whose features are compared: the last layer is seldom the best [alain-2016-probes].
DEPTHS = (0.25, 0.5, 0.75, 1.0)
BATCH = 32


def hidden_features(
    folder: Path, dtype: Dtype, texts: Sequence[str], told: Callable[[int], None]
) -> Mapping[int, Mapping[str, Any]]:
    """Layer to text to vector (float32, of the model's width), for some layers of the model."""
    import torch

    tokenizer, model = load_tokenizer(folder), load_model(folder, dtype, device=device_name())
    ids = [tokenizer(text, truncation=True, max_length=_window(model))["input_ids"] for text in texts]
    depth = model.config.get_text_config(decoder=True).num_hidden_layers
    layers = sorted({max(1, round(part * depth)) for part in DEPTHS})
    found: dict[int, dict[str, Any]] = {layer: {} for layer in layers}
    done = 0
    with torch.inference_mode():
        for batch in plan_batches([len(tokens) for tokens in ids], BATCH):
            padded = tokenizer.pad({"input_ids": [ids[at] for at in batch]}, return_tensors="pt").to(model.device)
            states = model(**padded, output_hidden_states=True, use_cache=False, logits_to_keep=1).hidden_states
            weight = padded["attention_mask"][..., None]
            for layer in layers:
                mean = ((states[layer] * weight).sum(dim=1) / weight.sum(dim=1)).float().cpu().numpy()
                found[layer].update({texts[at]: vector for at, vector in zip(batch, mean, strict=True)})
            done += len(batch)
            told(done)
    return found


def _window(model: Any) -> int:
    return int(getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", 2048))
