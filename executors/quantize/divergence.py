"""How far the answers of a quantized model are from those of the 16-bit one, token by token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executors.data import read_rows
from executors.intervals import mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from planner.documents import Measurement

# Plain texts of several kinds, for methods that are given no data.
TEXTS = (
    "The river rose overnight, and by morning the road to the village was under water.",
    "To reset the device, hold the power button for ten seconds and wait for the light to blink.",
    "def area(width, height):\n    return width * height\n",
    '{"name": "Anna", "age": 34, "city": "Lyon", "active": true}',
    "Question: What is the capital of Australia?\nAnswer: The capital of Australia is Canberra.",
    "In 1905 he published four papers; each of them changed a field of physics.",
    "Dear Sir or Madam, I am writing to ask when my order number 48213 will be delivered.",
    "Der Zug nach Hamburg hat heute etwa zwanzig Minuten Verspaetung.",
)
MOST_PROMPTS, MOST_TOKENS = 16, 96
# Between two runs of the same weights, relative to the largest logit.
TOLERANCE = 1e-2


def prompts_of(tokenizer: Any, calibration: Path | str | None) -> list[list[int]]:
    """Tokens of the texts that both models read: rows of the calibration data, or fixed texts."""
    from pathlib import Path

    texts = list(TEXTS)
    if calibration is not None:
        rows = read_rows(Path(calibration))[:MOST_PROMPTS]
        texts = [f"{row.prompt}\n{row.completion or ''}".strip() for row in rows]
    found = [tokenizer(text, add_special_tokens=True)["input_ids"][:MOST_TOKENS] for text in texts]
    return [ids for ids in found if ids]


def logits(model: Any, prompts: Sequence[Sequence[int]]) -> list[Any]:
    """The model's logits at every token of each prompt, in fp32 on the CPU."""
    import torch

    with torch.inference_mode():
        return [model(torch.tensor([ids], device=model.device)).logits[0].float().cpu() for ids in prompts]


def same_answers(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two runs of what should be the same weights agree, up to the order of sums."""
    return all(bool(((a - b).abs().max() <= TOLERANCE * a.abs().max()).item()) for a, b in zip(one, other, strict=True))


@dataclass(frozen=True)
class Likeness:
    """What the 16-bit model answered, to hold others against."""

    reference: Sequence[Any]

    def measure(self, answers: Iterable[Any], seed: int) -> dict[str, Measurement]:
        """Mean Kullback-Leibler divergence in nats a token, and the share of tokens whose likeliest successor is kept.

        Args:
            answers: logits of the other model on the same prompts.
            seed: of the bootstrap over prompts, as tokens of one text are alike.
        """
        import torch

        divergences, kept = [], []
        for wanted, given in zip(self.reference, answers, strict=True):
            # Rows of the vocabulary that only one of them has are padding.
            width = min(wanted.shape[-1], given.shape[-1])
            p, q = torch.log_softmax(wanted[..., :width], -1), torch.log_softmax(given[..., :width], -1)
            divergences.append(max(0.0, float((p.exp() * (p - q)).sum(-1).mean())))
            kept.append(float((wanted.argmax(-1) == given.argmax(-1)).float().mean()))
        return {"kl_divergence": mean(divergences, seed), "top1_agreement": mean(kept, seed)}
