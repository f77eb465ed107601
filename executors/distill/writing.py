"""One distillation: requests made up, answered, checked, until there are enough rows."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.contract import Outcome
from executors.data import Row, read_rows
from executors.distill.filtering import refused
from executors.distill.likeness import Pool
from executors.distill.requests import new_requests, request_in
from executors.evaluate.answering import backend_of, collect
from executors.evaluate.case import AnswerForm
from executors.evaluate.predictions import Made
from executors.evaluate.questions import questions_for
from executors.files import write_atomic
from executors.json_answers import label_property
from executors.prompt.document import make_prompt, read_prompt
from executors.prompt.examples import choose
from planner.documents import InputError, Measurement, RunError, fingerprint

if TYPE_CHECKING:
    from executors.contract import Job
    from executors.evaluate.backends import Answer, Backend, Question
    from planner.documents import JsonValue

# A round that brings fewer new rows than this share of what it asked for is the last: the teacher repeats itself.
LEAST_YIELD = 0.05
# More than is missing is asked for, since some is dropped.
SPARE = 1.25
# Requests are not longer than the longest known one by more than this factor, or than this many characters.
LONGER = 2
ALWAYS_FITS = 120
# What an answer follows from beside its question and the teacher.
ASKED_BY = {
    "endpoint", "max_new_tokens", "dtype", "quantization", "decoding", "grammar", "temperature", "seed", "format",
    "json_schema", "labels",
}  # fmt: skip


class Writing:
    """The rows so far and what became of the others."""

    def __init__(self, job: Job) -> None:
        """Read what is given.

        Raises:
            InputError: no request is known that others could be like.
        """
        self.job, self.params = job, job.params
        examples = read_rows(Path(job.inputs["examples"]))
        self.given = [row for row in examples if row.completion is not None]
        self.open = [row for row in examples if row.completion is None]
        self.known = list(dict.fromkeys(row.prompt for row in examples if row.prompt.strip()))
        if not self.known:
            message = "No request is given that new ones could be like."
            fix = "Name rows with a prompt as `data.train`; they need no answers."
            raise InputError.one("DISTILL002", message, fix, file=str(job.inputs["examples"]))
        form = self.params
        self.form = AnswerForm(form.format, form.json_schema, tuple(form.labels or ()), form.grammar)
        tested = job.inputs.get("test") if self.params.drop_overlap_with_test else None
        asked = [row.prompt for row in read_rows(Path(tested))] if tested else []
        self.tested = Pool(self.params.near_duplicate, asked)
        self.pool = Pool(self.params.near_duplicate, (row.prompt for row in self.given))
        self.counts: Counter[str] = Counter()
        self.rows: list[dict[str, str]] = []
        self.notes: dict[str, Any] = {}
        self._backends: dict[str, Backend] = {}

    def write(self) -> None:
        """Answer the open requests, then make up more until there are enough rows or the teacher repeats itself."""
        self._answer([row for row in self.open if self._is_new(row.prompt)][: self.params.rows])
        tried, most = 0, math.ceil((self.params.rows - len(self.rows)) * self.params.most_tries)
        while len(self.rows) < self.params.rows and tried < most:
            missing = self.params.rows - len(self.rows)
            count = min(max(self.params.batch_size, math.ceil(missing * SPARE)), most - tried)
            had = len(self.rows)
            self._answer(self._requests(tried, count))
            tried += count
            if len(self.rows) - had < LEAST_YIELD * count:
                self.counts["gave_up_repeating"] = int(tried < most and len(self.rows) < self.params.rows)
                break

    def finish(self, out: Path) -> Outcome:
        """Write the rows and say what became of all that was written.

        Raises:
            RunError: no row could be kept.
        """
        if not self.rows:
            told = ", ".join(
                f"{count} {name.replace('_', ' ')}" for name, count in sorted(self.counts.items()) if count
            )
            message = f"The teacher wrote no row that can be learned from: {told or 'nothing came back'}."
            raise RunError.one("DISTILL003", message, "Show it more examples, or name a stronger teacher.")
        kept = self.rows[: self.params.rows]
        given = [_as_record(row) for row in self.given] if self.params.keep_given_rows else []
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in (*given, *kept)]
        write_atomic(out, "".join(lines))
        metrics = {
            "rows_written": Measurement(value=float(self.counts["answered"])),
            "rows_kept": Measurement(value=float(len(kept))),
        }
        counts = {name: count for name, count in sorted(self.counts.items()) if count}
        if self.form.labels or self.form.label_name:
            self.notes["labels"] = dict(sorted(Counter(row["completion"] for row in kept).items())[:50])
        notes: dict[str, JsonValue] = {**self.notes, "given_rows": len(given), "counts": {**counts}}
        return Outcome(metrics=metrics, notes=notes)

    def _requests(self, start: int, count: int) -> list[Row]:
        """New requests that are like the known ones and not among them."""
        questions = new_requests(self.known, self.params.task, count, start, self.params.seed)
        free = self.params.model_copy(update={"decoding": "free", "max_new_tokens": self.params.request_tokens})
        job = replace(self.job, params=free)
        answers = self._ask("requests", job, AnswerForm("text"), questions, "writing requests")
        longest = max(LONGER * max(map(len, self.known)), ALWAYS_FITS)
        found = []
        for question in questions:
            answer = answers[question.id]
            text = request_in(answer.text)
            self.counts["requests_asked_for"] += 1
            if answer.error:
                self.counts["requests_failed"] += 1
            elif not text or answer.cut or len(text) > longest:
                self.counts["requests_unfit"] += 1
            elif self._is_new(text):
                found.append(Row(f"written-{_short(text)[:12]}", text, None))
        return found

    def _is_new(self, text: str) -> bool:
        """Whether nothing of the test data, and nothing that is there already, says the same; counted if so."""
        if self.params.drop_overlap_with_test and self.tested.twin(text):
            self.counts["overlap_with_test"] += 1
            return False
        twin = self.pool.twin(text) if self.params.drop_duplicates else None
        if twin:
            self.counts[f"duplicates_{twin}"] += 1
            return False
        self.pool.add(text)
        return True

    def _answer(self, rows: list[Row]) -> None:
        """Let the teacher answer, and keep what passes."""
        if not rows:
            return
        prompt = read_prompt(Path(self.job.inputs["prompt"]))
        if self.params.examples:
            label = label_property(self.params.json_schema) if self.params.format == "json" else None
            shown = choose(self.given, self.params.examples, select="balanced", seed=self.params.seed, label=label)
            prompt = make_prompt(prompt.system, (*prompt.examples, *shown), after=prompt.after, fit=True)
        questions = [
            question._replace(id=f"answer-{_short(json.dumps(question.turns))}")
            for question in questions_for(prompt, rows)
        ]
        answers = self._ask("answers", self.job, self.form, questions, "answering")
        for row, question in zip(rows, questions, strict=True):
            answer = answers[question.id]
            self.counts["answered"] += 1
            reason = refused(answer, self.form)
            if reason:
                self.counts[f"answers_{reason}"] += 1
                continue
            self.rows.append(_as_record(replace(row, completion=answer.text.strip())))

    def _ask(self, kind: str, job: Job, form: AnswerForm, questions: list[Question], doing: str) -> dict[str, Answer]:
        """Ask what was never asked of this teacher, in this run or another; what was written is kept by content."""
        if kind not in self._backends:
            self._backends[kind] = backend_of(job, form, next(iter(self._backends.values()), None))
        made = Made(self.job.cache / "distilled" / f"{self._key(job)}-{kind}.jsonl")
        answers, notes = collect(job, self._backends[kind], questions, made, doing)
        self.counts["taken_from_cache"] += int(str(notes.pop("resumed")))
        self.notes |= notes
        return answers

    def _key(self, job: Job) -> str:
        """What an answer follows from beside the question: the teacher, and how it is asked."""
        read = ("model", "adapter")
        teacher = {name: fingerprint(Path(job.inputs[name]))[0] for name in read if name in job.inputs}
        names = ("endpoint", "max_new_tokens", "dtype", "quantization", "decoding", "temperature", "seed")
        asked = job.params.model_dump(
            mode="json", by_alias=True, include={*names, "format", "json_schema", "labels", "grammar"}
        )
        # What a made-up request is shown comes from these.
        return _short(json.dumps([teacher, asked, self.known, self.params.task], sort_keys=True))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _as_record(row: Row) -> dict[str, Any]:
    if row.before:
        turns = [*row.before, {"role": "user", "content": row.prompt}]
        return {"id": row.id, "messages": [*turns, {"role": "assistant", "content": row.completion}]}
    return {"id": row.id, "prompt": row.prompt, "completion": row.completion or ""}
