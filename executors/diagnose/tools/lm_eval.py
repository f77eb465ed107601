"""Samples of the lm-evaluation-harness.

`--log_samples` of version 0.4 writes `samples_TASK_TIME.jsonl`, a row a document and filter, with the arguments as
`{"gen_args_0": {"arg_0": ...}}` and the target as text: `lm_eval/loggers/evaluation_tracker.py`,
EleutherAI/lm-evaluation-harness at 034ab03.
"""

from __future__ import annotations

import ast
from typing import Any

from executors.diagnose.tools.said import Said, text_of

NAME = "lm-evaluation-harness samples"
# Scores that say whether an answer is right.
JUDGING = ("exact_match", "acc", "em", "contains", "pass@1")


def rows_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the first filter: the harness writes every answer once a filter."""
    first = rows[0].get("filter")
    return [row for row in rows if row.get("filter") == first]


def read(row: dict[str, Any]) -> Said | None:
    """A sample: a generated text, or the likeliest of several choices."""
    asked = _arguments(row.get("arguments"))
    responses = row.get("filtered_resps") or row.get("resps") or []
    expected = _target(row.get("target"))
    prediction = None
    if responses and all(_is_likelihood(each) for each in responses):
        choices = [str(each[1]).strip() for each in asked]
        best = max(range(len(responses)), key=lambda at: float(_flat(responses[at])[0]))
        prediction = choices[best]
        expected = tuple(
            choices[int(text)] if text.isdigit() and int(text) < len(choices) else text for text in expected
        )
    elif responses:
        said = responses[0]
        prediction = text_of(said[0] if isinstance(said, list) and said else said)
    judged = next((row[name] for name in JUDGING if row.get(name) in (0, 1)), None)
    prompt = str(asked[0][0]) if asked else ""
    return Said(str(row["doc_id"]), prompt, expected, prediction, passed=None if judged is None else bool(judged))


def _arguments(value: Any) -> list[list[Any]]:
    """The arguments of each request: lists, or objects with numbered names."""
    if isinstance(value, dict):
        value = list(value.values())
    return [list(each.values()) if isinstance(each, dict) else list(each) for each in value or []]


def _flat(response: Any) -> Any:
    """(log-likelihood, greedy) of a choice, with or without a list around it."""
    return response[0] if isinstance(response[0], list) else response


def _is_likelihood(response: Any) -> bool:
    """Whether a response is a pair of log-likelihood and greediness, which the harness may write as text."""
    if not isinstance(response, list) or not response:
        return False
    pair = _flat(response)
    return isinstance(pair, list) and len(pair) == 2 and str(pair[1]) in ("True", "False")  # noqa: PLR2004 - a pair


def _target(value: Any) -> tuple[str, ...]:
    """Accepted answers; the harness writes a list as its Python text."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return (str(value),)
    if isinstance(value, list):
        return tuple(map(text_of, value))
    return () if value is None else (text_of(value),)
