"""A real model that answers the experiments; every answer is kept, so that a killed diagnosis asks nothing twice."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from executors.diagnose.causes import KNOWING, repeated
from executors.diagnose.experiments import CONSTRAINED, EXAMPLES, GOLD, OTHER, RETRIEVED, STRONGER
from executors.evaluate.answering import backend_of, collect, with_room
from executors.evaluate.backends import Question
from executors.evaluate.executor import EvaluateParams
from executors.evaluate.predictions import Made
from executors.prompt.examples import choose
from executors.prompt.nearest import prompts_for
from executors.prompt.render import final_answer, messages, turn_ids
from executors.text_match import contains, normal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from executors.contract import Job
    from executors.data import Row
    from executors.evaluate.backends import Backend
    from executors.evaluate.case import AnswerForm
    from executors.evaluate.constraint import Decoding
    from executors.prompt.document import Example, Prompt

# A grammar has this rule, and a regular expression has not.
ROOT = re.compile(r"^\s*root\s*::=", re.MULTILINE)


@dataclass(frozen=True)
class ModelAnswers:
    """Answers by the models of a job; see `Answerer`."""

    job: Job
    """With the inputs `model` (or an endpoint) and perhaps `adapter` and `stronger`, and how to generate."""
    form: AnswerForm
    prompt: Prompt
    rows: Mapping[str, Row]
    """The questions without anything added, by id: examples are chosen by them."""
    train: tuple[Row, ...] = ()

    def offered(self) -> set[str]:
        """The experiments that there is something to make with; those on passages are left out where none are known."""
        found = {GOLD, OTHER, RETRIEVED}
        # A prompt that shows the nearest examples already would only be asked again.
        if self._pool and self.prompt.nearest is None:
            found.add(EXAMPLES)
        if self._held is not None:
            found.add(CONSTRAINED)
        if "stronger" in self.job.inputs or self.job.params.stronger_endpoint is not None:
            found.add(STRONGER)
        return found

    def __call__(self, experiment: str, rows: Sequence[Row]) -> list[str | None]:
        """The answer to each row; None where there is none, as when the prompt exceeds the model's window."""
        prompt = self._prompt(experiment)
        job = with_room(self._job(experiment), prompt)
        plain = [self.rows[row.id] for row in rows]
        prompts = prompts_for(prompt, plain)
        if experiment == EXAMPLES and self.job.params.kind in KNOWING:
            prompts = [self._untold(one, row) for one, row in zip(prompts, plain, strict=True)]
        questions = [Question(row.id, messages(one, row)) for one, row in zip(prompts, rows, strict=True)]
        questions = [question for question, fits in zip(questions, _fits(job, questions), strict=True) if fits]
        if not questions:
            return [None] * len(rows)
        made = Made(job.checkpoints / "answers.jsonl")
        answers, _ = collect(job, self._backend(experiment, job), questions, made, f"experiment: {experiment}")
        said = {name: final_answer(prompt, answer.text) for name, answer in answers.items() if not answer.error}
        return [said.get(row.id) for row in rows]

    def _backend(self, experiment: str, job: Job) -> Backend:
        """What answers an experiment; the model that failed is loaded once for all of them."""
        like = None if experiment == STRONGER else next(iter(self._asked), None)
        made = backend_of(job, self.form, like)
        if experiment != STRONGER:
            self._asked.append(made)
        return made

    @cached_property
    def _asked(self) -> list[Backend]:
        return []

    @property
    def _held(self) -> Decoding | None:
        """What decoding can be held to; None where nothing says the form."""
        if self.form.grammar is not None:
            return "grammar" if ROOT.search(self.form.grammar) else "pattern"
        if self.form.format == "label":
            return "labels" if self.form.labels else None
        return "schema" if self.form.format == "json" else None

    def _untold(self, prompt: Prompt, row: Row) -> Prompt:
        """Without examples that hold the answer: they shall show how to answer, not what."""
        facts = [text for text in row.accepted if normal(text) not in self._repeated]
        shown = tuple(
            each
            for each in prompt.examples
            if not any(contains(f"{each.prompt}\n{each.completion}", text) for text in facts)
        )
        return prompt.model_copy(update={"examples": shown})

    @cached_property
    def _repeated(self) -> frozenset[str]:
        """Answers that many training rows give."""
        return repeated(self.train)

    def _prompt(self, experiment: str) -> Prompt:
        """The prompt that failed, or the same with the nearest examples."""
        if experiment != EXAMPLES:
            return self.prompt
        nearest = min(self.job.params.examples, len(self._pool))
        return self.prompt.model_copy(update={"examples": self._pool, "nearest": nearest})

    @cached_property
    def _pool(self) -> tuple[Example, ...]:
        """Training rows that can be shown: none where all are longer conversations, or texts without an answer."""
        params = self.job.params
        if not params.examples:
            return ()
        return choose(self.train, params.examples, select="similar", seed=params.seed, label=None)

    def _job(self, experiment: str) -> Job:
        """The job as generation reads it."""
        given = self.job.params
        params: dict[str, Any] = {
            "metrics": ["exact_match"],
            "format": self.form.format,
            "schema": self.form.schema,
            "labels": list(self.form.labels) or None,
            "max_new_tokens": given.max_new_tokens,
            "batch_size": given.batch_size,
            "dtype": given.dtype,
            "quantization": given.quantization,
            "endpoint": given.stronger_endpoint if experiment == STRONGER else given.endpoint,
            "decoding": self._held if experiment == CONSTRAINED else "free",
            "grammar": self.form.grammar,
            "limit": None,
            "seed": given.seed,
        }
        names = ("stronger",) if experiment == STRONGER else ("model", "adapter")
        inputs: dict[str, Path | str] = {
            "model" if name == "stronger" else name: self.job.inputs[name] for name in names if name in self.job.inputs
        }
        folder = self.job.checkpoints / experiment.replace(" ", "-")
        return replace(self.job, params=EvaluateParams.model_validate(params), inputs=inputs, checkpoints=folder)


def _fits(job: Job, questions: Sequence[Question]) -> list[bool]:
    """Whether the model's window holds each question with its answer; a server says so itself."""
    if "model" not in job.inputs:
        return [True] * len(questions)
    from pathlib import Path

    from executors.evaluate.local import context_window
    from executors.models import load_tokenizer

    folder = Path(job.inputs["model"])
    tokenizer, window = load_tokenizer(folder), context_window(folder)
    room = None if window is None else window - job.params.max_new_tokens
    return [room is None or len(turn_ids(tokenizer, question.turns)) <= room for question in questions]
