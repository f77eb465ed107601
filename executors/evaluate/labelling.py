"""Answers of a classifier: one pass over the request, and the label with the highest score."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.evaluate.backends import Answer, Question
from executors.evaluate.batches import plan_batches
from executors.evaluate.features import Reader
from executors.heads import is_classifier, is_probe, labels_of, load_labelling, load_probe, text_of
from executors.models import load_tokenizer
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from executors.contract import Job
    from executors.data import Row
    from planner.documents import JsonValue


def questions_of(rows: Sequence[Row]) -> list[Question]:
    """The rows as a classifier reads them: as they are, without instruction or template."""
    return [Question(row.id, [{"role": "user", "content": text_of(row)}]) for row in rows]


class Labelling:
    """A classifier's folder, or an adapter with a head, or a probe, on a model of this machine."""

    def __init__(self, job: Job) -> None:
        """Take the job; weights are loaded when something is to be answered.

        Raises:
            InputError: what is named is no classifier.
        """
        self.job = job
        self.model = Path(job.inputs["model"])
        self.adapter = Path(job.inputs["adapter"]) if "adapter" in job.inputs else None
        self.notes: dict[str, JsonValue] = {}
        if not is_classifier(job.inputs):
            message = "The model has no head over labels, and decoding `head` writes no words."
            fix = "Name a classifier, or set decoding to labels."
            raise InputError.one("EVAL021", message, fix, pointer="/params/decoding")

    def answers(self, questions: Sequence[Question], done: Collection[int] = ()) -> Iterator[Mapping[int, Answer]]:
        """Yield the answers of one batch after another; see `Backend`. What exceeds the model's window is cut."""
        asked = [number for number in range(len(questions)) if number not in done]
        if not asked:
            return
        probe = self.adapter is not None and is_probe(self.adapter)
        read, score, labels = self.scorer()
        ids = [read(questions[number].turns[-1]["content"]) for number in asked]
        self.notes |= {"answered_by": "a linear probe" if probe else "a head", "dtype": self.job.params.dtype}
        self.notes["longest_prompt_tokens"] = max(map(len, ids))
        for batch in plan_batches([len(tokens) for tokens in ids], self.job.params.batch_size):
            started = time.monotonic()
            best = score([ids[at] for at in batch]).argmax(dim=1).tolist()
            took = round(time.monotonic() - started, 4)
            yield {
                asked[at]: Answer(text=labels[label], tokens_in=len(ids[at]), seconds=took)
                for at, label in zip(batch, best, strict=True)
            }

    def scorer(self) -> tuple[Callable[[str], list[int]], Callable[[list[list[int]]], Any], tuple[str, ...]]:
        """How a text becomes tokens, how a batch of them gets scores of shape [rows, labels], and the labels."""
        return self._probe() if self.adapter is not None and is_probe(self.adapter) else self._head()

    def _probe(self) -> tuple[Callable[[str], list[int]], Callable[[list[list[int]]], Any], tuple[str, ...]]:
        probe, reader = load_probe(self.adapter or self.model), Reader(self.model, self.job.params.dtype)

        def score(batch: list[list[int]]) -> Any:
            return reader.vectors(batch, [probe.layer])[probe.layer] @ probe.weight.T + probe.bias

        return reader.ids, score, probe.labels

    def _head(self) -> tuple[Callable[[str], list[int]], Callable[[list[list[int]]], Any], tuple[str, ...]]:
        import torch

        params, tokenizer = self.job.params, load_tokenizer(self.model)
        model = load_labelling(self.model, self.adapter, params.dtype, params.quantization, tokenizer.pad_token_id)
        window = int(getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", 2048))
        # A row is read the same whatever it is beside.
        tokenizer.padding_side = "right"

        def read(text: str) -> list[int]:
            ids: list[int] = tokenizer(text, truncation=True, max_length=window)["input_ids"]
            return ids

        def score(batch: list[list[int]]) -> Any:
            padded = tokenizer.pad({"input_ids": batch}, return_tensors="pt").to(model.device)
            with torch.inference_mode():
                logits = model(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"]).logits
            return logits.float().cpu()

        return read, score, labels_of(self.model, self.adapter)
