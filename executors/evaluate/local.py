"""Answers of a model on this machine: rendered by its chat template, generated in batches."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.evaluate.backends import Answer
from executors.evaluate.constraint import Constraint, Decoding
from executors.evaluate.generation import Generation, generate
from executors.evaluate.sampling import Sampling
from executors.models import (
    device_name,
    gguf_file,
    load_adapter,
    load_model,
    load_tokenizer,
    tokenizer_folder,
    virtual_tokens,
)
from executors.prompt.infilling import gap_ends
from executors.prompt.render import answer, fitted_ids, turn_end_id
from executors.rope import window_of
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from executors.contract import Job
    from executors.evaluate.backends import Question
    from executors.evaluate.case import AnswerForm
    from executors.quantized import KvCache
    from planner.documents import JsonValue


class Local:
    """A model folder, with the adapter on top where the job has one."""

    def __init__(self, job: Job, form: AnswerForm, like: Local | None = None) -> None:
        """Read the tokenizer; weights are loaded when something is to be answered, unless `like` has them."""
        self.job, self.form = job, form
        self.folder = Path(job.inputs["model"])
        self.tokenizer = load_tokenizer(tokenizer_folder(job.inputs))
        self.notes: dict[str, JsonValue] = {}
        self._loaded: list[Any] = [] if like is None else like._loaded
        self._packed: dict[Any, Any] = {} if like is None else like._packed
        self._how: Generation | None = None

    def answers(self, questions: Sequence[Question], done: Collection[int] = ()) -> Iterator[Mapping[int, Answer]]:
        """Yield the answers of one group after another; see `Backend`. What was loaded stays for the next questions.

        Raises:
            InputError: a question does not fit the model's context window together with its answer.
        """
        prompts, params = self._read(questions), self.job.params
        if len(done) == len(questions):
            return
        model, how = self._load()
        if questions[0].seed is not None:
            seeds = tuple(question.seed or 0 for question in questions)
            how = replace(how, sampling=Sampling(params.temperature, seeds))
        tokens, took, started = 0, dict[int, float](), time.monotonic()
        for batch in generate(model, prompts, how, done, took, self._packed):
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
            "device": str(model.device.type),
            "dtype": params.dtype,
            "generation_s": round(seconds, 3),
            "tokens_per_s": round(tokens / seconds, 1),
        }

    def _read(self, questions: Sequence[Question]) -> list[list[int]]:
        """The tokens of the questions, without the examples that may be left out and do not fit."""
        window = context_window(self.folder, self.job.inputs.get("adapter"))
        if window is not None and "adapter" in self.job.inputs:
            window -= virtual_tokens(Path(self.job.inputs["adapter"]))
        room = None if window is None else window - self.job.params.max_new_tokens
        fitted = [fitted_ids(self.tokenizer, question.turns, question.spare, room) for question in questions]
        prompts = [ids for ids, _ in fitted]
        check_window(window, questions, prompts, self.job.params.max_new_tokens)
        self.notes["longest_prompt_tokens"] = max(map(len, prompts))
        if left_out := sum(count for _, count in fitted):
            self.notes["examples_left_out"] = left_out
        return prompts

    def _load(self) -> tuple[Any, Generation]:
        if not self._loaded:
            params = self.job.params
            model = load_model(self.folder, params.dtype, device=device_name(), quantization=params.quantization)
            if "adapter" in self.job.inputs:
                model = load_adapter(model, Path(self.job.inputs["adapter"]))
            self._loaded.append(model)
            if gguf_file(self.folder) is not None:
                self.notes["weights"] = "dequantized from GGUF"
        if self._how is None:
            self._how = self._made_how(self._loaded[0])
        return self._loaded[0], self._how

    def _made_how(self, model: Any) -> Generation:
        params = self.job.params
        stop_ids = _stop_ids(model, self.tokenizer)
        decoding: Decoding = params.decoding
        constraint = None
        if decoding != "free":
            width = model.get_output_embeddings().weight.shape[0]
            constraint = Constraint(decoding, self.form, self.tokenizer, width, stop_ids)
        pad_id = int(self.tokenizer.pad_token_id)
        # Steps that choose prompts ask in 16 bits.
        kept: KvCache = getattr(params, "kv_cache", "16-bit")
        return Generation(params.max_new_tokens, params.batch_size, stop_ids, pad_id, constraint, kv_cache=kept)


def _stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    known = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return frozenset({*known, *gap_ends(tokenizer), turn_end_id(tokenizer), int(tokenizer.eos_token_id)})


def context_window(folder: Path, adapter: Path | str | None = None) -> int | None:
    """Tokens that a model reads in all, with an adapter on top; None where its configuration does not say."""
    from transformers import AutoConfig

    own = adapter is not None and (Path(adapter) / "config.json").is_file()
    return window_of(AutoConfig.from_pretrained(adapter if own else folder, local_files_only=True))


def check_window(
    window: int | None, questions: Sequence[Question], prompts: Sequence[list[int]], max_new_tokens: int
) -> None:
    """Refuse a prompt that, with its answer, exceeds what the model can read.

    Raises:
        InputError: naming the row, its tokens and the limit.
    """
    longest = max(range(len(prompts)), key=lambda index: len(prompts[index]))
    tokens = len(prompts[longest])
    if window is not None and tokens + max_new_tokens > window:
        message = (
            f"The prompt of row {questions[longest].id} has {tokens} tokens and its answer up to {max_new_tokens}; "
            f"the model reads {window} in all."
        )
        fix = "Use fewer or shorter examples, let examples be left out (`fit`), or take a model with a longer window."
        raise InputError.one("EVAL001", message, fix, pointer="/params/max_new_tokens")
