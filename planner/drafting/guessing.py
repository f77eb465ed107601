"""Guesses of the task from rows: its kind, the form of its answers, and a sentence that describes it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.drafting.schema import infer_schema, parsed
from planner.survey.data_reader import normal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from planner.survey import DataSurvey
    from planner.survey.data_reader import ReadData
    from planner.survey.rows import Example

# A form or a habit counts as the data's own when this share of the sampled rows has it.
MOST, MANY, SOME = 0.9, 0.6, 0.2
# Long texts become short ones in a summary; a passage is longer than a question.
LONG_CHARACTERS, SHORTER = 500, 3
SHOWN_LABELS = 6
ALIKE = (0.6, 1.7)
SHARED_WORDS = 0.4
SQL = re.compile(r"\s*(select|insert|update|delete|with|create)\b", re.IGNORECASE)
CODE = re.compile(
    r"^\s*(```|#include|from \w[\w.]* import"
    r"|(def|class|import|async|function|const|let|public|package|fn|func) )",
    re.MULTILINE,
)
HTML = re.compile(r"\s*<(!doctype|[a-z][a-z0-9]*[ >/])", re.IGNORECASE)
YAML = re.compile(r"\s*[\w-]+:( |\n|$)")


@dataclass(frozen=True, slots=True)
class TaskGuess:
    """What the task seems to be."""

    kind: str
    kind_because: str
    output: dict[str, Any]
    """Fields of the spec's `output`."""
    output_because: dict[str, str]
    """Why, by field."""
    description: str
    description_because: str


def guess_task(data: ReadData, survey: DataSurvey) -> TaskGuess:
    """The task that rows are examples of."""
    sample = data.sample
    output, because = _output(data, survey)
    kind, kind_because = _kind(sample, survey, output)
    description, why = _description(sample, kind, output)
    return TaskGuess(kind, kind_because, output, because, description, why)


def _output(data: ReadData, survey: DataSurvey) -> tuple[dict[str, Any], dict[str, str]]:
    sample = data.sample
    answers = [row.completion for row in sample if row.completion]
    if survey.labels:
        because = f"the answers of {data.rows:,} rows are {len(survey.labels)} words that repeat"
        return {"format": "label", "labels": list(survey.labels)}, {"format": because, "labels": "the data has these"}
    if survey.json_share is not None and survey.json_share >= MOST:
        made: dict[str, Any] = {"format": "json"}
        reasons = {"format": f"{survey.json_share:.0%} of the answers looked at are JSON"}
        schema = infer_schema(parsed(answers), is_complete=data.rows == len(sample))
        if schema is not None:
            made["schema"] = schema
            reasons["schema"] = f"keys and types of {len(answers):,} answers"
        return made, reasons
    forms: tuple[tuple[str, Callable[[str], object], float, str], ...] = (
        ("sql", SQL.match, MOST, "begin as SQL does"),
        ("html", HTML.match, MOST, "begin as HTML does"),
        ("code", CODE.search, MANY, "hold lines of code"),
        ("yaml", _is_yaml, MOST, "are YAML"),
    )
    for name, test, share, words in forms:
        found = _share(answers, test)
        if found >= share:
            return {"format": name}, {"format": f"{found:.0%} of the answers looked at {words}"}
    return {"format": "text"}, {"format": "the answers have no form that is known"}


def _is_yaml(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) > 1 and all(YAML.match(line) or line.lstrip().startswith(("- ", "#")) for line in lines)


def _kind(sample: Sequence[Example], survey: DataSurvey, output: dict[str, Any]) -> tuple[str, str]:
    """The kind of task; the answers' form tells most."""
    form = output["format"]
    if form == "label":
        return "classification", "the answers are few and repeat"
    grounded = survey.grounded_share or 0.0
    if form == "json":
        if grounded >= MANY:
            return "extraction", f"{grounded:.0%} of the answers' values stand in the prompt"
        return "semantic-parsing", "prompts become JSON whose values mostly stand elsewhere"
    by_form = {
        "sql": ("semantic-parsing", "prompts become SQL"),
        "yaml": ("semantic-parsing", "prompts become YAML"),
        "code": ("code", "the answers are code"),
    }
    if form in by_form:
        return by_form[form]
    if (survey.multi_turn_share or 0.0) > SOME:
        return "chat", f"{survey.multi_turn_share:.0%} of the rows have several turns"
    return _text_kind(sample, grounded, survey.shape)


def _text_kind(sample: Sequence[Example], grounded: float, shape: str | None) -> tuple[str, str]:
    """The kind of a task from text to text."""
    prompts, answers = [row.prompt for row in sample], [row.completion for row in sample]
    asked = _share(prompts, lambda text: "?" in text)
    length, answer = _mean(prompts), _mean(answers)
    if _share(prompts, lambda text: "translat" in text.lower()) >= MANY:
        return "translation", "the prompts ask for a translation"
    if asked >= MANY and (grounded >= MANY or answer < length):
        passage = " and hold the passage" if grounded >= MANY and length > LONG_CHARACTERS else ""
        return "question-answering", f"{asked:.0%} of the prompts ask something{passage}"
    if length > LONG_CHARACTERS and answer * SHORTER < length:
        return "summarization", "long texts become short ones"
    shared = sum(_overlap(row) for row in sample) / max(1, len(sample))
    if ALIKE[0] <= answer / max(1.0, length) <= ALIKE[1] and shared >= SHARED_WORDS:
        return "rewriting", "answers are as long as the prompts and share their words"
    if shape in ("messages", "conversations"):
        return "chat", "the rows are conversations"
    return "generation", "nothing else is seen in the rows"


def _share(texts: Sequence[str], test: Callable[[str], object]) -> float:
    return sum(bool(test(text)) for text in texts) / len(texts) if texts else 0.0


def _mean(texts: Sequence[str]) -> float:
    return sum(map(len, texts)) / len(texts) if texts else 0.0


def _overlap(row: Example) -> float:
    """Share of an answer's words that stand in its prompt."""
    words = normal(row.completion).split()
    prompt = set(normal(row.prompt).split())
    return sum(word in prompt for word in words) / len(words) if words else 0.0


def _description(sample: Sequence[Example], kind: str, output: dict[str, Any]) -> tuple[str, str]:
    """The instruction that most prompts begin with, or a sentence made from the guesses."""
    starts = Counter(line for line in (_first_line(row.prompt) for row in sample) if line)
    line, count = starts.most_common(1)[0] if starts else ("", 0)
    if len(sample) > 1 and count >= MANY * len(sample):
        return line, "most prompts begin with it"
    if kind == "classification":
        labels = output.get("labels", [])
        more = f" and {len(labels) - SHOWN_LABELS} more" if len(labels) > SHOWN_LABELS else ""
        return f"Sort each text into one of: {', '.join(labels[:SHOWN_LABELS])}{more}", MADE
    if output["format"] == "json":
        keys = sorted(output.get("schema", {}).get("properties", {}))[:SHOWN_LABELS]
        return f"Turn each text into JSON{' with ' + ', '.join(keys) if keys else ''}", MADE
    return SENTENCES[kind], MADE


MADE = "it follows from the kind; your own words are better"
SENTENCES = {
    "extraction": "Extract what the text says",
    "semantic-parsing": "Turn each request into a query or command",
    "question-answering": "Answer the question",
    "summarization": "Summarise the text",
    "generation": "Write what the prompt asks for",
    "rewriting": "Rewrite the text",
    "translation": "Translate the text",
    "code": "Write the code that the prompt asks for",
    "chat": "Answer as the examples do",
    "classification": "Sort each text into its class",
}


def _first_line(prompt: str) -> str:
    """The first line of a prompt, when another follows: there an instruction stands."""
    first, _, rest = prompt.strip().partition("\n")
    return first.strip() if rest.strip() else ""
