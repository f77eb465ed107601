"""Evaluations of a model that a server answers for, and what the server is right to say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from executors.contract import Job
from executors.evaluate import EvaluateParams
from executors.prompt.document import make_prompt, write_prompt
from tests.executors.evaluate.server import Body, Reply
from tests.executors.tiny import TINY_SCHEMA, tiny_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Event

KEY = "sk-very-secret-0123456789"
RIGHT = {row["prompt"]: row["completion"] for row in tiny_rows(40)}


def right(body: Body, _: int = 0) -> Reply:
    return Reply(text=RIGHT[body["messages"][-1]["content"]])


def job(folder: Path, url: str, *, rows: int = 6, inputs: dict[str, Path | str] | None = None, **changed: Any) -> Job:
    out = folder / "out"
    out.mkdir(exist_ok=True)
    write_prompt(make_prompt("Do as asked."), folder / "prompt.json")
    given: dict[str, Path | str] = {
        "prompt": folder / "prompt.json",
        "data": write_rows(folder / "test.jsonl", tiny_rows(rows)),
    }
    endpoint = {"url": url, "model": "m", "api_key_env": "TEST_KEY", "timeout_s": 20.0, "max_retries": 2}
    endpoint |= {"concurrency": 3} | changed.pop("endpoint", {})
    params = {
        "metrics": ["json_exact"],
        "schema": TINY_SCHEMA,
        "labels": None,
        "format": "json",
        "max_new_tokens": 8,
        "batch_size": 1,
        "dtype": "fp32",
        "limit": None,
        "seed": 0,
        "endpoint": endpoint,
    }
    events: list[Event] = []
    settings = EvaluateParams.model_validate(params | changed)
    return Job(
        "evaluate/zero-shot",
        settings,
        given | (inputs or {}),
        out,
        folder / "checkpoints",
        events.append,
        folder / "cache",
    )


def records(work: Job) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work.out / "predictions").read_text(encoding="utf-8").splitlines()]
