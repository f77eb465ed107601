"""Features of texts from a frozen language model: its hidden states, averaged over the tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.evaluate.batches import plan_batches
from executors.models import device_name, gguf_file, load_model, load_tokenizer, read_model, refuse_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from executors.models import Dtype

# Parts of the depth whose features are compared: the last layer is seldom the best [alain-2016-probes].
DEPTHS = (0.25, 0.5, 0.75, 1.0)
BATCH = 32


class Reader:
    """The body of a model, which reads texts and says nothing."""

    def __init__(self, folder: Path, dtype: Dtype) -> None:
        """Load it; any model that transformers reads, whatever its head."""
        self.tokenizer = load_tokenizer(folder)
        if gguf_file(folder) is not None:
            self.model = load_model(folder, dtype, device=device_name()).base_model
        else:
            self.model, missing = read_model(folder, dtype, "AutoModel")
            # Features are taken before what pools them.
            refuse_missing([name for name in missing if not name.startswith("pooler.")], folder)
        self.model.config.use_cache = False
        text = self.model.config.get_text_config(decoder=True)
        self.depth = int(text.num_hidden_layers)
        self.window = int(getattr(text, "max_position_embeddings", 2048))

    def layers(self) -> list[int]:
        """The layers whose features are compared, counted from 1."""
        return sorted({max(1, round(part * self.depth)) for part in DEPTHS})

    def ids(self, text: str) -> list[int]:
        """Token ids, cut where the model's window ends."""
        ids: list[int] = self.tokenizer(text, truncation=True, max_length=self.window)["input_ids"]
        return ids

    def vectors(self, batch: Sequence[list[int]], layers: Sequence[int]) -> dict[int, Any]:
        """Layer to (rows, width) in fp32 on the CPU: the mean of its hidden states over the tokens of each row."""
        import torch

        padded = self.tokenizer.pad({"input_ids": list(batch)}, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            states = self.model(
                input_ids=padded["input_ids"], attention_mask=padded["attention_mask"], output_hidden_states=True
            ).hidden_states
            weight = padded["attention_mask"][..., None]
            return {
                layer: ((states[layer] * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)).float().cpu()
                for layer in layers
            }


def hidden_features(
    folder: Path, dtype: Dtype, texts: Sequence[str], told: Callable[[int], None]
) -> Mapping[int, Mapping[str, Any]]:
    """Layer to text to vector (float32, of the model's width), for some layers of the model."""
    reader = Reader(folder, dtype)
    ids, layers = [reader.ids(text) for text in texts], reader.layers()
    found: dict[int, dict[str, Any]] = {layer: {} for layer in layers}
    done = 0
    for batch in plan_batches([len(tokens) for tokens in ids], BATCH):
        for layer, vectors in reader.vectors([ids[at] for at in batch], layers).items():
            found[layer].update({texts[at]: vector for at, vector in zip(batch, vectors.numpy(), strict=True)})
        done += len(batch)
        told(done)
    return found
