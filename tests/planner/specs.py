"""Small specs that name no files: equal on every machine."""

from __future__ import annotations

import copy
from typing import Any

DECLARED: dict[str, Any] = {
    "name": "tickets",
    "task": {
        "description": "Sort support tickets",
        "kind": "classification",
        "output": {"format": "label", "labels": ["bug", "billing", "other"]},
    },
    "data": {
        "train": {"examples": 5000, "mean_tokens": 200, "quality": "curated"},
        "validation": {"examples": 500},
        "test": {"examples": 500},
    },
    "models": [{"id": "meta-llama/Llama-3.1-8B-Instruct"}],
    "hardware": {"devices": [{"name": "A100", "memory_gb": 80}]},
    "evaluation": {"metrics": ["accuracy"], "target": {"accuracy": 0.9}},
}
# Prompting was explored and measured.
EXPLORED: list[dict[str, Any]] = [
    {"approach": "prompt", "prompts_tried": 12, "metrics": {"accuracy": 0.61}},
    {"approach": "few-shot", "prompts_tried": 6, "examples": 8, "metrics": {"accuracy": 0.66}},
]


def spec(**changes: Any) -> dict[str, Any]:
    """The declared spec with some of its fields replaced; `a__b` names the field b of a."""
    values = copy.deepcopy(DECLARED)
    for name, value in changes.items():
        *path, last = name.split("__")
        here = values
        for part in path:
            here = here.setdefault(part, {})
        here[last] = value
    return values
