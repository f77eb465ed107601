"""Outputs of promptfoo.

`promptfoo eval -o results.json` writes `{"evalId", "results": {"version": 3, "results": [...]}}`; older ones write
`{"results": {"version": 2, ...}}` or the list itself; `-o results.jsonl` writes a result a line. The types are
`EvaluateSummaryV3`, `EvaluateSummaryV2` and `EvaluateResult` of `src/types/index.ts`, promptfoo/promptfoo at 0011eb0.
"""

from __future__ import annotations

import json
import re
from typing import Any

from executors.diagnose.tools.said import Said, text_of, turns

NAME = "promptfoo output"
# Assertions whose value is the answer that is expected.
EXPECTING = frozenset(
    {
        "bleu",
        "contains",
        "contains-all",
        "contains-any",
        "equals",
        "factuality",
        "gleu",
        "icontains",
        "icontains-all",
        "icontains-any",
        "levenshtein",
        "meteor",
        "model-graded-factuality",
        "rouge-n",
        "similar",
        "starts-with",
    }
)
VARIABLES = ("expected", "answer", "answers", "target", "reference", "ideal")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def results_of(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The results in an output of promptfoo; None when it is none."""
    inner = document.get("results")
    if isinstance(inner, dict):
        inner = inner.get("results")
    is_known = isinstance(inner, list) and all(isinstance(item, dict) and "success" in item for item in inner)
    return inner if is_known and isinstance(inner, list) else None


def read(result: dict[str, Any]) -> Said | None:
    """A result: the expected answer stands in its assertions or its variables."""
    variables = result.get("vars") or result.get("testCase", {}).get("vars") or {}
    response = result.get("response") or {}
    output = response.get("output") if isinstance(response, dict) else response
    if output is None:
        return None
    raw = (result.get("prompt") or {}).get("raw")
    prompt = raw if isinstance(raw, str) else "\n".join(str(value) for value in variables.values())
    before: tuple[dict[str, str], ...] = ()
    if prompt.lstrip().startswith("[{"):
        try:
            before, prompt = turns(json.loads(prompt))
        except ValueError:
            before = ()
    name = f"test-{result.get('testIdx', '')}-{result.get('promptIdx', '')}".strip("-")
    expected = _asserted(result, variables) or _of_variables(variables)
    return Said(name, prompt, expected, text_of(output), before, passed=bool(result["success"]))


def _asserted(result: dict[str, Any], variables: dict[str, Any]) -> tuple[str, ...]:
    asserted = list((result.get("testCase") or {}).get("assert") or [])
    graded = (result.get("gradingResult") or {}).get("componentResults") or []
    asserted += [part.get("assertion") or {} for part in graded if isinstance(part, dict)]
    found: list[str] = []
    for item in asserted:
        if item.get("type") in EXPECTING and item.get("value") is not None:
            values = item["value"] if isinstance(item["value"], list) else [item["value"]]
            found += [
                _VARIABLE.sub(lambda name: str(variables.get(name[1], name[0])), text_of(each)) for each in values
            ]
    return tuple(dict.fromkeys(found))


def _of_variables(variables: dict[str, Any]) -> tuple[str, ...]:
    value = next((variables[name] for name in VARIABLES if variables.get(name) is not None), None)
    if value is None:
        return ()
    return tuple(map(text_of, value)) if isinstance(value, list) else (text_of(value),)
