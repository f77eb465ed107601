"""A head over labels: the request is read once, and every label gets a score."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainingArguments

from executors.data import read_rows
from executors.heads import load_classifier, text_of
from executors.models import load_tokenizer
from executors.train.examples import Example, Examples
from executors.train.keeping import KeptTrainer, settings
from executors.train.labels import check_labels, labels_for
from executors.train.params import given
from executors.train.precision import autocast
from executors.train.preflight import Ready, check_tokens
from executors.train.room import check_room
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.contract import Job
    from executors.data import Row
    from executors.train.methods.applied import Applied
    from executors.train.params import TrainParams
    from executors.train.training import Training


def prepare(job: Job) -> Ready:
    """Rows as tokens with the number of their label; what is above `max_length` tokens is cut, its label stays.

    Raises:
        InputError: with a finding for each thing that is wrong.
    """
    base, params = Path(job.inputs["model"]), job.params
    tokenizer = load_tokenizer(base)
    files = {name: Path(job.inputs[name]) for name in ("train", "validation") if name in job.inputs}
    rows = {name: read_rows(file) for name, file in files.items()}
    labels = labels_for(given(params.labels), rows["train"])
    findings = check_room(job)
    for name, file in files.items():
        findings += check_labels(rows[name], labels, str(file))
    if findings:
        raise InputError(findings)
    numbers = {label: number for number, label in enumerate(labels)}
    examples = {
        name: Examples(tuple(_encoded(tokenizer, row, numbers, params.max_length) for row in found))
        for name, found in rows.items()
    }
    findings = [each for name, at in examples.items() for each in check_tokens(at.kept, base, params, str(files[name]))]
    if findings:
        raise InputError(findings)
    counts = Counter((row.completion or "").strip() for row in rows["train"])
    notes = {
        "labels": list(labels),
        "labels_without_rows": [label for label in labels if label not in counts],
        "rows_cut": sum(example.tokens >= params.max_length for example in examples["train"].kept),
    }
    return Ready(tokenizer, examples["train"], examples.get("validation"), notes, labels)


def load(base: Path, params: TrainParams, ready: Ready, device: str) -> Any:
    """The base with a new head over the labels."""
    return load_classifier(
        base,
        params.base_dtype,
        ready.labels,
        ready.tokenizer.pad_token_id,
        attention=params.attention,
        device=device,
        quantization=params.base_quantization or "none",
    )


class HeadTrainer(KeptTrainer):
    """Trains on the cross entropy of one label a row."""

    def __init__(self, applied: Applied, plan: Training) -> None:
        self.rows = [example.encoded for example in plan.ready.train.kept]
        checkpointing = plan.params.gradient_checkpointing
        own = TrainingArguments(
            **settings(plan),
            activation_checkpointing=checkpointing,
        )
        if checkpointing:
            # Otherwise nothing before the first adapter has a gradient to carry.
            applied.model.enable_input_require_grads()
        self.begin(applied, plan, args=own, train_dataset=self.rows)
        kept = plan.ready.validation.kept if plan.ready.validation else ()
        ordered = [each.encoded for each in sorted(kept, key=lambda each: (-each.tokens, each.id))]
        size = plan.params.micro_batch
        self.validation = [ordered[start : start + size] for start in range(0, len(ordered), size)]

    def collate(self, rows: Sequence[dict[str, Any]], *, learning: bool) -> dict[str, Any]:  # noqa: ARG002
        """Token ids padded on the right, what of them is no padding, and the numbers of the labels."""
        length = max(len(row["input_ids"]) for row in rows)
        ids = torch.full((len(rows), length), int(self.plan.ready.tokenizer.pad_token_id))
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            end = len(row["input_ids"])
            ids[number, :end], mask[number, :end] = torch.as_tensor(row["input_ids"]), 1
        targets = torch.tensor([row["labels"][0] for row in rows])
        return {"ids": ids, "mask": mask, "targets": targets, "tokens": int(mask.sum())}

    def loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        """The sum over rows."""
        with autocast(self.plan.params.precision, self.plan.device):
            logits = model(input_ids=batch["ids"], attention_mask=batch["mask"]).logits
        return torch.nn.functional.cross_entropy(logits.float(), batch["targets"], reduction="sum")

    def weight(self, batch: dict[str, Any]) -> torch.Tensor:
        """The number of rows."""
        return torch.tensor(float(len(batch["targets"])), device=batch["targets"].device)


def _encoded(tokenizer: Any, row: Row, numbers: dict[str, int], max_length: int) -> Example:
    ids = tokenizer(text_of(row), truncation=True, max_length=max_length)["input_ids"]
    return Example(row.id, ids, [numbers[(row.completion or "").strip()]])
