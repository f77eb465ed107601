"""Grades of a judge: another model reads each answer beside the reference, by a rubric with a version."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from executors.evaluate.answering import collect
from executors.evaluate.backends import Question
from executors.evaluate.case import AnswerForm
from executors.evaluate.predictions import Made
from executors.evaluate.server import Server
from executors.intervals import mean
from executors.json_answers import parse_lenient
from executors.progress import say
from planner.documents import digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.contract import Job
    from executors.data import Row
    from executors.evaluate.backends import Answer
    from planner.documents import JsonValue, JudgeParams, Measurement

PROMPT = files("executors.evaluate").joinpath("judge_prompt.txt")
DEFAULT_RUBRIC = "It says what the reference says, in the form that the request asks for."
MAX_TOKENS = 256
_GRADE = re.compile(r"\bgrade\b\W{0,5}(\d+)", re.IGNORECASE)
BIAS = (
    "One judge, which saw each answer once beside the reference: it may favour long answers and those of its own kind, "
    "and nobody measured how far it agrees with people."
)


class Verdict(NamedTuple):
    """A grade with its reason."""

    score: float
    """0 for the lowest grade, 1 for the highest."""
    grade: int
    reason: str


class Grades(NamedTuple):
    """What a judge said of an evaluation; empty where nobody asked one."""

    verdicts: dict[str, Verdict] = {}
    """By row id; without those that the judge could not give."""
    metrics: dict[str, Measurement] = {}
    notes: dict[str, JsonValue] = {}

    def scores(self, row_id: str) -> dict[str, JsonValue]:
        """The judge's score of a case, as it stands beside the other scores."""
        return {"judge": self.verdicts[row_id].score} if row_id in self.verdicts else {}

    def record(self, row_id: str) -> dict[str, JsonValue]:
        """The verdict on a case for its record."""
        verdict = self.verdicts.get(row_id)
        return {"verdict": {"grade": verdict.grade, "reason": verdict.reason}} if verdict else {}


def grade_all(job: Job, rows: Sequence[Row], answers: Mapping[str, Answer]) -> Grades:
    """Every answer graded, when the job has a judge; the mean with its interval, and facts for the report.

    A case without an answer gets the lowest grade unasked. What the judge could not grade counts nowhere but in the
    notes: that is no fault of the answer.

    Raises:
        AdaptError: the judge's server refuses or fails every request.
    """
    params: JudgeParams | None = job.params.judge
    if params is None:
        return Grades()
    system = system_text(params)
    asked = [row for row in rows if answers[row.id].text]
    questions = [Question(row.id, [system, _case(row, answers[row.id].text)]) for row in asked]
    form = AnswerForm("json", schema(params.scale))
    server = Server(
        params.endpoint, job.cache, MAX_TOKENS, "schema", form, say=lambda said: say(job, f"The judge: {said}")
    )
    replies, notes = collect(job, server, questions, Made(job.checkpoints / "grades.jsonl"), "grading")
    empty = Verdict(0.0, 1, "There is no answer.")
    verdicts = {row.id: empty for row in rows if not answers[row.id].text}
    for row_id, reply in replies.items():
        verdict = None if reply.error else read_verdict(reply.text, params.scale)
        if verdict is not None:
            verdicts[row_id] = verdict
    told: dict[str, JsonValue] = {"prompt": digest(system["content"]), "scale": params.scale, "bias": BIAS}
    told["not_graded"] = len(rows) - len(verdicts)
    scores = [verdicts[row.id].score for row in rows if row.id in verdicts]
    return Grades(verdicts, {"judge": mean(scores, job.params.seed)}, {"judge": told | notes})


def system_text(params: JudgeParams) -> dict[str, str]:
    """The judge's instruction; its digest is the version of the rubric."""
    text = PROMPT.read_text(encoding="utf-8")
    return {"role": "system", "content": text.format(rubric=params.rubric or DEFAULT_RUBRIC, scale=params.scale)}


def schema(scale: int) -> dict[str, Any]:
    """JSON Schema of a verdict; the reason comes first, so that the grade follows from it."""
    return {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "grade": {"type": "integer", "enum": list(range(1, scale + 1))},
        },
        "required": ["reason", "grade"],
        "additionalProperties": False,
    }


def read_verdict(text: str, scale: int) -> Verdict | None:
    """The verdict in a reply: JSON, or else the one number after the word `grade`; None for anything else."""
    value = parse_lenient(text)
    reason = ""
    if isinstance(value, dict):
        grade, reason = value.get("grade"), str(value.get("reason", ""))
    else:
        numbers = {int(number) for number in _GRADE.findall(text)}
        grade = numbers.pop() if len(numbers) == 1 else None
    if isinstance(grade, str) and grade.strip().isdecimal():
        grade = int(grade)
    if isinstance(grade, float) and grade.is_integer():
        grade = int(grade)
    if isinstance(grade, bool) or not isinstance(grade, int) or not 1 <= grade <= scale:
        return None
    return Verdict((grade - 1) / (scale - 1), grade, reason)


def _case(row: Row, answer: str) -> dict[str, str]:
    request = "\n".join([*(f"{turn['role']}: {turn['content']}" for turn in row.before), row.prompt])
    references = "\n".join(f"<reference>\n{text}\n</reference>" for text in row.accepted)
    return {
        "role": "user",
        "content": f"<request>\n{request}\n</request>\n{references}\n<answer>\n{answer}\n</answer>",
    }
