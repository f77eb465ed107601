"""Scoring prompts: each answers the first so many rows, and no row of a prompt is answered twice."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from executors.evaluate.answering import backend_of, collect, with_room
from executors.evaluate.case import Case
from executors.evaluate.predictions import Made
from executors.evaluate.questions import answers_of_rows, questions_for
from executors.evaluate.rewriting import queries
from executors.evaluate.scoring import LENIENT, measure
from executors.json_answers import label_property
from executors.prompt.composing import Asked, compose
from executors.prompt.examples import choose
from executors.prompt.executor import tables_of
from executors.prompt.passages import with_passages
from executors.search.halving import Score, Unfit
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.contract import Job
    from executors.data import Row
    from executors.evaluate.backends import Answer, Backend, Question
    from executors.evaluate.case import AnswerForm
    from executors.prompt.document import Example, Prompt
    from executors.retrieve.chunks import Passage
    from executors.search.variants import Variant

# What an evaluation says of a prompt that is too long; any other error is one of the whole search.
TOO_LONG = "EVAL001"


class Trials:
    """Prompts and their answers; answers that an earlier attempt left in the checkpoints are taken as they are."""

    def __init__(self, job: Job, pool: Sequence[Row], rows: Sequence[Row], form: AnswerForm) -> None:
        """Prepare; no model is loaded yet.

        Args:
            job: the search.
            pool: rows to take examples from.
            rows: rows to score on, in the order in which rounds take them; all have answers.
            form: of the answers.
        """
        self.job, self.pool, self.rows, self.form = job, pool, rows, form
        self.made = Made(job.checkpoints / "answers.jsonl")
        self.resumed = len(self.made.answers)
        self.prompts: dict[Variant, Prompt] = {}
        """Those that could be made and fit."""
        self.answer_s: dict[Variant, float | None] = {}
        """Mean seconds of an answer."""
        self._backends: dict[int, Backend] = {}

    def score(self, variant: Variant, count: int) -> Score | Unfit:
        """What a variant reaches on the first `count` rows, or why it cannot be tried.

        Raises:
            AdaptError: nothing can be answered at all.
        """
        params = self.job.params
        if variant not in self.prompts:
            made = self._made(variant)
            if isinstance(made, Unfit):
                return made
            self.prompts[variant] = made
        prompt = self.prompts[variant]
        questions = self._questions(variant, prompt)[: count * params.samples]
        answers, _ = collect(self.job, self._backend(prompt), questions, self.made, variant.name)
        rows = self.rows[:count]
        lead = _lead(prompt)
        return self._scored(
            variant, rows, answers_of_rows(prompt, rows, answers, self.form, samples=params.samples, lead=lead)
        )

    def _scored(self, variant: Variant, rows: Sequence[Row], answers: Mapping[str, Answer]) -> Score:
        params = self.job.params
        cases = [Case(self.form, answers[row.id].text, row.completion or "", row.others) for row in rows]
        found = measure(cases, [params.metric], params.seed)
        strict = found[params.metric]
        took = [seconds for row in rows if (seconds := answers[row.id].seconds) is not None]
        self.answer_s[variant] = round(sum(took) / len(took), 3) if took else None
        tokens = sum(answers[row.id].tokens_in or 0 for row in rows) / len(rows)
        return Score(strict, found.get(params.metric + LENIENT, strict), round(tokens, 1))

    def _made(self, variant: Variant) -> Prompt | Unfit:
        """The prompt of a variant, once it is known that every row fits it."""
        params = self.job.params
        examples: tuple[Example, ...] = ()
        if variant.choice is not None:
            label = label_property(params.json_schema) if params.format == "json" else None
            examples = choose(self.pool, variant.examples, select=variant.choice, seed=params.seed, label=label)
            if len(examples) < variant.examples:
                return Unfit(f"only {len(examples)} different rows have an answer to show")
        prompt = compose(
            Asked(
                *(params.instruction, params.format, params.json_schema, tuple(params.labels or ())),
                tables=self._tables,
            ),
            variant.template,
            examples=examples,
            nearest=variant.examples if variant.choice == "similar" else None,
            passages=variant.passages,
            fit=params.fit,
        )
        questions = self._questions(variant, prompt)
        try:
            # None is left to be asked: only whether each can be asked is looked at, before anything is generated.
            list(self._backend(prompt).answers(questions, range(len(questions))))
        except InputError as error:
            if error.findings[0].code != TOO_LONG:
                raise
            return Unfit(error.findings[0].message.rstrip("."))
        return prompt

    def _questions(self, variant: Variant, prompt: Prompt) -> list[Question]:
        """Every row as the prompt asks it, with the passages of the variant."""
        rows: Sequence[Row] = self.rows
        if variant.passages is not None:
            rows = [with_passages(row, self._passages[row.id][: variant.passages]) for row in rows]
        params = self.job.params
        return questions_for(prompt, rows, samples=params.samples, seed=params.seed, lead=_lead(prompt))

    @cached_property
    def _tables(self) -> dict[str, str]:
        return tables_of(self.job)

    @cached_property
    def _passages(self) -> dict[str, list[Passage]]:
        """The best passages of each row, as many as any variant shows."""
        from executors.retrieve.index import Index

        inputs = self.job.inputs
        index = Index(Path(inputs["index"]), inputs.get("encoder"), inputs.get("reranker"))
        found = index.retrieve(queries(self.job, self.rows), max(self.job.params.passages))
        return {row.id: passages for row, passages in zip(self.rows, found, strict=True)}

    def _backend(self, prompt: Prompt) -> Backend:
        """What answers, with room for what the prompt has the model write before the answer."""
        more = prompt.thinking_tokens
        if more not in self._backends:
            like = next(iter(self._backends.values()), None)
            self._backends[more] = backend_of(with_room(self.job, prompt), self.form, like)
        return self._backends[more]


def _lead(prompt: Prompt) -> str:
    """What the ids of a prompt's questions start with: equal prompts share their answers."""
    return prompt.id.removeprefix("sha256:")[:16] + "/"
