"""Answers of a model on this machine: rendered by its chat template, generated in batches."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.evaluate.backends import Answer
from executors.evaluate.constraint import Constraint, Decoding
from executors.evaluate.generation import Generation, generate
from executors.models import device_name, load_adapter, load_model, load_tokenizer
from executors.prompt.render import answer, turn_end_id, turn_ids
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from executors.contract import Job
    from executors.evaluate.backends import Question
    from executors.evaluate.case import AnswerForm
    from planner.documents import JsonValue


class Local:
    """A model folder, with the adapter on top where the job has one."""

    def __init__(self, job: Job, form: AnswerForm) -> None:
        """Read the tokenizer; weights are loaded when something is to be answered."""
        self.job, self.form = job, form
        self.folder = Path(job.inputs["model"])
        self.tokenizer = load_tokenizer(self.folder)
        self.notes: dict[str, JsonValue] = {}

    def answers(self, questions: Sequence[Question], done: Collection[int] = ()) -> Iterator[Mapping[int, Answer]]:
        """Yield the answers of one group after another; see `Backend`.

        Raises:
            InputError: a question does not fit the model's context window together with its answer.
        """
        prompts = [turn_ids(self.tokenizer, question.turns) for question in questions]
        params = self.job.params
        check_window(self.folder, questions, prompts, params.max_new_tokens)
        self.notes["longest_prompt_tokens"] = max(map(len, prompts))
        if len(done) == len(questions):
            return
        device = device_name()
        model = load_model(self.folder, params.dtype, device=device, quantization=params.quantization)
        how = self._how(model)
        if "adapter" in self.job.inputs:
            model = load_adapter(model, Path(self.job.inputs["adapter"]))
        tokens, took, started = 0, dict[int, float](), time.monotonic()
        for batch in generate(model, prompts, how, done, took):
            tokens += sum(map(len, batch.values()))
            yield {
                index: Answer(
                    text=answer(self.tokenizer, ids),
                    tokens=len(ids),
                    tokens_in=len(prompts[index]),
                    seconds=round(took[index], 4),
                    cut=len(ids) >= params.max_new_tokens,
                )
                for index, ids in batch.items()
            }
        seconds = time.monotonic() - started
        self.notes |= {
            "device": device,
            "dtype": params.dtype,
            "generation_s": round(seconds, 3),
            "tokens_per_s": round(tokens / seconds, 1),
        }

    def _how(self, model: Any) -> Generation:
        params = self.job.params
        stop_ids = _stop_ids(model, self.tokenizer)
        decoding: Decoding = params.decoding
        constraint = None
        if decoding != "free":
            width = model.get_output_embeddings().weight.shape[0]
            constraint = Constraint(decoding, self.form, self.tokenizer, width, stop_ids)
        return Generation(
            params.max_new_tokens, params.batch_size, stop_ids, int(self.tokenizer.pad_token_id), constraint
        )


def _stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    known = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return frozenset({*known, turn_end_id(tokenizer), int(tokenizer.eos_token_id)})


def check_window(
    folder: Path, questions: Sequence[Question], prompts: Sequence[list[int]], max_new_tokens: int
) -> None:
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
            f"The prompt of row {questions[longest].id} has {tokens} tokens and its answer up to {max_new_tokens}; "
            f"the model reads {window} in all."
        )
        fix = "Use fewer or shorter examples, or a model with a longer context window."
        raise InputError.one("EVAL001", message, fix, pointer="/params/max_new_tokens")
