"""Answers of a model to rows: rendered, generated in batches, kept as they come, resumed after a kill."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.evaluate.constraint import Constraint, Decoding
from executors.evaluate.generation import Generation, generate
from executors.evaluate.predictions import Made
from executors.models import device_name, load_adapter, load_model, load_tokenizer
from executors.progress import tell
from executors.prompt.document import read_prompt
from executors.prompt.nearest import prompts_for
from executors.prompt.passages import with_passages
from executors.prompt.render import answer, prompt_ids, turn_end_id
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.contract import Job
    from executors.data import Row
    from executors.evaluate.case import AnswerForm
    from executors.retrieve.chunks import Passage
    from planner.documents import JsonValue


def ask(job: Job, rows: Sequence[Row]) -> tuple[list[Row], dict[str, list[Passage]]]:
    """The rows as the model is asked them, and the passages that were found for each; none without an index."""
    if "index" not in job.inputs:
        return list(rows), {}
    from executors.retrieve.index import Index

    index = Index(Path(job.inputs["index"]), job.inputs.get("encoder"), job.inputs.get("reranker"))
    found = index.retrieve([row.prompt for row in rows], job.params.passages)
    asked = [with_passages(row, passages) for row, passages in zip(rows, found, strict=True)]
    return asked, {row.id: passages for row, passages in zip(rows, found, strict=True)}


def answer_all(
    job: Job, rows: Sequence[Row], form: AnswerForm
) -> tuple[dict[str, tuple[str, int]], dict[str, JsonValue]]:
    """The answer to every row with its count of tokens, by row id, and facts for the report.

    Answers that an earlier attempt left in the checkpoints are taken as they are.

    Raises:
        InputError: a row does not fit the model's context window together with its answer.
    """
    folder = Path(job.inputs["model"])
    tokenizer = load_tokenizer(folder)
    prompt = read_prompt(Path(job.inputs["prompt"]))
    prompts = [prompt_ids(tokenizer, one, row) for one, row in zip(prompts_for(prompt, rows), rows, strict=True)]
    check_window(folder, rows, prompts, job.params.max_new_tokens)
    made = Made(job.checkpoints / "predictions.jsonl")
    done = {index for index, row in enumerate(rows) if row.id in made.answers}
    notes: dict[str, JsonValue] = {"resumed": len(done), "longest_prompt_tokens": max(map(len, prompts))}
    if len(done) < len(rows):
        notes |= _generate(job, rows, prompts, tokenizer, made, form)
    return {row.id: made.answers[row.id] for row in rows}, notes


def _generate(
    job: Job, rows: Sequence[Row], prompts: list[list[int]], tokenizer: Any, made: Made, form: AnswerForm
) -> dict[str, JsonValue]:
    folder, device = Path(job.inputs["model"]), device_name()
    model = load_model(folder, job.params.dtype, device=device, quantization=job.params.quantization)
    stop_ids = _stop_ids(model, tokenizer)
    if "adapter" in job.inputs:
        model = load_adapter(model, Path(job.inputs["adapter"]))
    decoding: Decoding = job.params.decoding
    width = model.get_output_embeddings().weight.shape[0]
    constraint = None if decoding == "free" else Constraint(decoding, form, tokenizer, width, stop_ids)
    how = Generation(
        job.params.max_new_tokens, job.params.batch_size, stop_ids, int(tokenizer.pad_token_id), constraint
    )
    done = {index for index, row in enumerate(rows) if row.id in made.answers}
    before, tokens, started = len(done), 0, time.monotonic()
    for batch in generate(model, prompts, how, done):
        made.add({rows[index].id: (answer(tokenizer, ids), len(ids)) for index, ids in batch.items()})
        tokens += sum(map(len, batch.values()))
        count, seconds = len(made.answers), time.monotonic() - started
        left = seconds / (count - before) * (len(rows) - count)
        tell(job, "answering", count, len(rows), "cases", tokens_per_s=tokens / seconds, remaining_s=left)
    seconds = time.monotonic() - started
    return {
        "device": device,
        "dtype": job.params.dtype,
        "generation_s": round(seconds, 3),
        "tokens_per_s": round(tokens / seconds, 1),
    }


def _stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    known = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return frozenset({*known, turn_end_id(tokenizer), int(tokenizer.eos_token_id)})


def check_window(folder: Path, rows: Sequence[Row], prompts: Sequence[list[int]], max_new_tokens: int) -> None:
    """Refuse a prompt that, with its answer, exceeds what the model can read.

    Raises:
        InputError: naming the row, its tokens and the limit.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config(decoder=True)
    window = getattr(config, "max_position_embeddings", None)
    longest = max(range(len(prompts)), key=lambda index: len(prompts[index]))
    tokens = len(prompts[longest])
    if window is not None and tokens + max_new_tokens > window:
        message = (
            f"The prompt of row {rows[longest].id} has {tokens} tokens and its answer up to {max_new_tokens}; "
            f"the model reads {window} in all."
        )
        fix = "Use fewer or shorter examples, or a model with a longer context window."
        raise InputError.one("EVAL001", message, fix, pointer="/params/max_new_tokens")
