"""Answers of a model to rows: rendered, asked of a backend, kept as they come, resumed after a kill."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from executors.evaluate.predictions import Made, screened
from executors.evaluate.questions import answers_of_rows, questions_for
from executors.heads import is_classifier
from executors.progress import say, tell
from executors.prompt.document import read_prompt
from executors.prompt.passages import with_passages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.contract import Job
    from executors.data import Row
    from executors.evaluate.backends import Answer, Backend, Question
    from executors.evaluate.case import AnswerForm
    from executors.prompt.document import Prompt
    from executors.retrieve.chunks import Passage
    from planner.documents import JsonValue


def ask(job: Job, rows: Sequence[Row]) -> tuple[list[Row], dict[str, list[Passage]]]:
    """The rows as the model is asked them, and the passages that were found for each; none without an index."""
    if "index" not in job.inputs:
        return list(rows), {}
    from executors.evaluate.rewriting import queries
    from executors.retrieve.index import Index

    index = Index(Path(job.inputs["index"]), job.inputs.get("encoder"), job.inputs.get("reranker"))
    # What is asked for goes before what the prompt was chosen with, and both before what the index was made for.
    wanted = job.params.passages or read_prompt(Path(job.inputs["prompt"])).passages
    found = index.retrieve(queries(job, rows), wanted)
    asked = [with_passages(row, passages) for row, passages in zip(rows, found, strict=True)]
    return asked, {row.id: passages for row, passages in zip(rows, found, strict=True)}


def answer_all(job: Job, rows: Sequence[Row], form: AnswerForm) -> tuple[dict[str, Answer], dict[str, JsonValue]]:
    """The answer to every row, by row id, and facts for the report.

    Answers that an earlier attempt left in the checkpoints are taken as they are.

    Raises:
        InputError: a row does not fit the model's context window together with its answer; a server refuses to answer.
        RunError: a server answers nothing.
    """
    made = Made(job.checkpoints / "predictions.jsonl")
    if "screened" in job.inputs:
        made.answers = screened(Path(job.inputs["screened"])) | made.answers
    if job.params.decoding == "head" or is_classifier(job.inputs):
        from executors.evaluate.labelling import Labelling, questions_of

        return collect(job, Labelling(job), questions_of(rows), made, "reading")
    prompt, samples = read_prompt(Path(job.inputs["prompt"])), job.params.samples
    questions = questions_for(prompt, rows, samples=samples, seed=job.params.seed)
    job = with_room(job, prompt)
    answers, notes = collect(job, backend_of(job, form), questions, made, "answering")
    return answers_of_rows(prompt, rows, answers, form, samples=samples), notes


def with_room(job: Job, prompt: Prompt) -> Job:
    """The job with longer answers, where the prompt asks for more than the answer alone."""
    limit = job.params.max_new_tokens + prompt.thinking_tokens
    return replace(job, params=job.params.model_copy(update={"max_new_tokens": limit}))


def backend_of(job: Job, form: AnswerForm, like: Backend | None = None) -> Backend:
    """What answers for a job: the model folder of its inputs, or the server of its parameters.

    Weights that `like` has loaded already, of the same model in the same data type, are not loaded again.
    """
    params = job.params
    if params.endpoint is None:
        from executors.evaluate.local import Local

        return Local(job, form, like if isinstance(like, Local) else None)
    from executors.evaluate.server import Server

    return Server(
        params.endpoint,
        job.cache,
        params.max_new_tokens,
        params.decoding,
        form,
        temperature=params.temperature,
        say=lambda message: say(job, message),
    )


def collect(
    job: Job, backend: Backend, questions: Sequence[Question], made: Made, doing: str
) -> tuple[dict[str, Answer], dict[str, JsonValue]]:
    """Ask what has no answer yet, keep each answer as it comes, tell how far it is; see `answer_all`.

    What failed is part of the result and not kept on disk: another attempt asks it again.
    """
    done = {index for index, question in enumerate(questions) if question.id in made.answers}
    notes: dict[str, JsonValue] = {"resumed": len(done)}
    failed: dict[str, Answer] = {}
    count, tokens, started = len(done), 0, time.monotonic()
    for batch in backend.answers(questions, done):
        named = {questions[index].id: answer for index, answer in batch.items()}
        made.add({row_id: answer for row_id, answer in named.items() if not answer.error})
        failed |= {row_id: answer for row_id, answer in named.items() if answer.error}
        count, tokens = count + len(batch), tokens + sum(answer.tokens or 0 for answer in named.values())
        seconds = max(time.monotonic() - started, 1e-6)
        left = seconds / (count - len(done)) * (len(questions) - count)
        tell(job, doing, count, len(questions), "cases", tokens_per_s=tokens / seconds, remaining_s=left)
    known = made.answers | failed
    return {question.id: known[question.id] for question in questions}, notes | backend.notes
