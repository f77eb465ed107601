"""A finetuning upload in the manner of OpenAI: rows as JSON Lines, the request as JSON, and a script that sends both.

[openai-finetuning]
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.export.rendered import Rendered, refuse_head, refuse_loss
from executors.export.rows import assistant, jsonl
from executors.export.sheet import Sheet
from executors.export.trl import paired_only
from planner.documents import Finding, InputError, pretty_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.export.rows import Told
    from executors.export.trainings import Training

SCRIPT = Path(__file__).parent / "scripts" / "openai_upload.txt"
LEAST_ROWS = 10
SUFFIX_CHARACTERS = 64
# What such a service decides itself, whatever it is told.
ITS_OWN = (
    "method", "rank", "alpha", "rank_scaling", "dropout", "targets", "initialisation", "rate_ratio",
    "base_quantization", "layers_trained", "virtual_tokens", "bottleneck", "gradient_checkpointing", "optimizer",
    "weight_decay", "beta1", "beta2", "max_grad_norm", "precision", "base_dtype", "attention", "distribution",
    "schedule", "warmup_ratio", "packing", "length_grouped", "evaluations_per_epoch", "checkpoint_s", "max_length",
    "held_out", "nodes", "offload", "restarts", "rounding", "rounding_group", "liger_kernel", "share_prefix",
    "compile",
)  # fmt: skip


def render(training: Training) -> Rendered:
    """The training as an upload.

    Raises:
        InputError: such services do not train for the objective, or refuse a row.
    """
    refuse_loss(training, "such a service", ("sigmoid",))
    sheet = Sheet("The service", training.step.address, training.params)
    objective = str(sheet.get("objective"))
    refuse_head(training, "a finetuning service")
    if training.shape == "continued-pretraining" or training.gaps:
        message = f"{training.step.address} trains on plain text, which finetuning services do not take."
        raise InputError.one("EXPORT002", message)
    _check(training)
    _its_own(sheet)
    sheet.get("learn_turns")
    epochs = float(sheet.get("epochs") or 1)
    numbers: dict[str, Any] = {
        "n_epochs": max(1, round(epochs)),
        "batch_size": math.prod(int(sheet.get(name) or 1) for name in ("micro_batch", "accumulation", "devices")),
        "learning_rate_multiplier": "auto",
    }
    if epochs != numbers["n_epochs"]:
        sheet.unsaid("epochs", f"The service takes whole epochs: {numbers['n_epochs']} instead of {epochs:g}.")
    rate = f"The rate {sheet.get('learning_rate'):g} is not said: the service takes a multiple of a rate of its own."
    sheet.unsaid("learning_rate", rate)
    if objective == "preference":
        numbers["beta"] = sheet.get("preference_beta")
        sheet.get("preference_loss")
        sheet.get("label_smoothing")
        paired_only(sheet)
    elif sheet.get("prompt_loss_weight"):
        sheet.unsaid("prompt_loss_weight", "The service learns answers alone, and nothing of the prompts.")
    sheet.get("prompt_loss_weight")
    if sheet.get("early_stopping_patience") is not None:
        because = "The service runs all epochs; it keeps a checkpoint of each of the last ones to choose from."
        sheet.unsaid("early_stopping_patience", because)
    kind = "dpo" if objective == "preference" else "supervised"
    request: dict[str, Any] = {
        "model": training.base.name,
        "training_file": "train.jsonl",
        "method": {"type": kind, kind: {"hyperparameters": numbers}},
        "seed": sheet.get("seed"),
        "suffix": training.name[:SUFFIX_CHARACTERS],
    }
    if training.validation:
        request["validation_file"] = "validation.jsonl"
    sheet.close()
    sets = {"train": training.train, "validation": training.validation}
    files = {
        "request.json": pretty_json(request),
        "upload.py": SCRIPT.read_text(encoding="utf-8"),
        **{f"{name}.jsonl": jsonl(_record(row) for row in rows) for name, rows in sets.items() if rows},
    }
    return Rendered(files, "python upload.py", (*training.findings, *sheet.findings))


def _its_own(sheet: Sheet) -> None:
    """One finding for all that such a service decides itself."""
    decided = [name for name in ITS_OWN if sheet.get(name) is not None]
    because = f"The service decides these itself: {', '.join(decided)}."
    fix = "Where they matter, train with a tool that takes them."
    sheet.unsaid("method", because, fix)


def _check(training: Training) -> None:
    """Refuse rows that such a service refuses, all at once."""
    problems = []
    for name, rows in (("train", training.train), ("validation", training.validation)):
        empty = sum(not turn["content"].strip() for row in rows for turn in row.turns)
        if empty:
            problems.append(f"{empty} turns of the {name} rows are empty")
    if len(training.train) < LEAST_ROWS:
        problems.append(f"there are {len(training.train)} training rows, and the service wants {LEAST_ROWS}")
    if problems:
        raise InputError(
            [
                Finding(code="EXPORT003", severity="error", message=f"The upload would be refused: {problem}.")
                for problem in problems
            ]
        )


def _record(row: Told) -> dict[str, Any]:
    if row.worse is not None:
        return {
            "input": {"messages": list(row.turns)},
            "preferred_output": [assistant(row.answer)],
            "non_preferred_output": [assistant(row.worse)],
        }
    # Examples are read, not learned, and so are earlier answers unless the plan learns them all.
    turns: Sequence[dict[str, Any]] = [
        {**turn, "weight": int(row.learns(at))} if turn["role"] == "assistant" else turn
        for at, turn in enumerate(row.turns)
    ]
    return {"messages": [*turns, assistant(row.answer)]}
