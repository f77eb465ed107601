"""A plan for another folder names the same files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from planner.documents import Spec
from planner.relocating import moved, relocated_spec

SPEC: dict[str, Any] = {
    "task": {
        "description": "Sort",
        "output": {"format": "json", "schema": "schema.json"},
        "other_tasks": [{"name": "greet", "data": "greet.jsonl"}, {"name": "no data"}],
    },
    "data": {
        "train": "train.jsonl",
        "test": {"path": "../data/test.jsonl", "examples": 3},
        "validation": {"examples": 5},
    },
    "models": [
        {"id": "a", "path": "models/a"},
        {"id": "./models/a", "role": "teacher"},
        {"id": "HuggingFaceTB/SmolLM2-135M-Instruct", "role": "draft"},
        {"id": "b", "path": "package:b/model", "role": "encoder"},
    ],
    "evaluation": {"data": "../data/test.jsonl", "database": "shop.sqlite"},
    "failures": "failures.json",
    "rule_books": ["house.toml"],
    "merge": {"sources": [{"id": "x", "path": "models/a"}, {"id": "y"}]},
}


def paths(spec: Spec) -> list[str]:
    found = [spec.data.train, spec.data.test, spec.evaluation.data, spec.evaluation.database, spec.failures]
    found += [spec.task.output.json_schema, spec.task.other_tasks[0].data, *spec.rule_books]
    found += [spec.models[0].path, spec.merge.sources[0].path if spec.merge else None]
    return [each if isinstance(each, str) else str(getattr(each, "path", None)) for each in found]


def test_every_path_leads_to_the_same_file(tmp_path: Path) -> None:
    here, there = tmp_path / "work", tmp_path / "plans" / "first"
    (here / "models" / "a").mkdir(parents=True)
    spec = Spec.model_validate_json(json.dumps(SPEC))
    other = relocated_spec(spec, here, there)
    before, after = paths(spec), paths(other)
    assert after != before
    assert [os.path.normpath(there / path) for path in after] == [os.path.normpath(here / path) for path in before]
    assert relocated_spec(other, there, here).data == spec.data


def test_models_keep_their_names(tmp_path: Path) -> None:
    here, there = tmp_path / "work", tmp_path / "plans"
    (here / "models" / "a").mkdir(parents=True)
    other = relocated_spec(Spec.model_validate_json(json.dumps(SPEC)), here, there)
    assert [(model.id, model.path) for model in other.models] == [
        ("a", "../work/models/a"),
        ("./models/a", "../work/models/a"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", None),
        ("b", "package:b/model"),
    ]


@pytest.mark.parametrize("path", ["package:b/model", "hub:b/model", "/data/train.jsonl"])
def test_what_lies_nowhere_in_the_folder_stays(path: str) -> None:
    assert moved(path, Path("here"), Path("there")) == path
