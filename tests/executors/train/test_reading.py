"""A reader learns from prompts with passages, the same that evaluation writes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job
from executors.data import read_rows
from executors.evaluate.answering import ask
from executors.retrieve import Retrieve, RetrieveParams
from executors.train.preflight import preflight
from tests.executors.train.jobs import make_job, perform

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PLACES = ("kitchen", "hall", "garden", "office")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    documents = [
        {"id": f"{place}#1", "title": place, "text": f"The lamp in the {place} has number {10 + at}."}
        for at, place in enumerate(PLACES)
    ]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents), encoding="utf-8")
    out = tmp_path / "index-step"
    out.mkdir()
    params = RetrieveParams(
        method="bm25", chunk_tokens=[64], overlap=0.0, passages=[2], recall_loss=0.0, language="english", seed=0
    )
    inputs = {"documents": tmp_path / "corpus.jsonl"}
    Retrieve().perform(Job("retrieve/bm25", params, inputs, out, tmp_path, lambda _: None, tmp_path / "cache"))
    return out / "index"


def questions(path: Path, *asked: tuple[str, str, str]) -> Path:
    rows = [{"id": name, "question": text, "answers": [gold[1:]], "gold": gold} for name, text, gold in asked]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def reading_job(tmp_path: Path, model: Path, index: Path, data: Path, **changes: Any) -> Job:
    job = make_job(tmp_path / "work", model, validate=False, max_length=512, **changes)
    return replace(job, inputs={**job.inputs, "train": data, "index": index})


def test_training_reads_the_prompt_that_evaluation_writes(tiny_model: Path, tmp_path: Path, index: Path) -> None:
    data = questions(tmp_path / "q.jsonl", ("a", "Which number has the lamp in the hall?", "hall#1"))
    job = reading_job(tmp_path, tiny_model, index, data)
    ready = preflight(job)
    [row], _ = ask(replace(job, params=_Shown()), read_rows(data))
    [example] = ready.train.kept
    text = ready.tokenizer.decode(example.ids)
    assert row.prompt in text
    assert "The lamp in the hall has number 11." in text
    assert "[2]" in text
    assert "[3]" not in text, "as many passages as the index gives"


class _Shown:
    """The one parameter of an evaluation that its prompts follow from: as many passages as the index says."""

    passages = None


def test_a_gold_passage_that_the_search_missed_takes_the_last_place(
    tiny_model: Path, tmp_path: Path, index: Path
) -> None:
    data = questions(
        tmp_path / "q.jsonl",
        ("missed", "kitchen hall lamp?", "garden#1"),
        ("unknown", "kitchen hall lamp?", "attic#1"),
    )
    missed, unknown = (
        preflight(reading_job(tmp_path, tiny_model, index, data)).tokenizer.decode(example.ids)
        for example in preflight(reading_job(tmp_path, tiny_model, index, data)).train.kept
    )
    assert "in the garden has number 12" in missed
    assert missed.count("has number") == unknown.count("has number") == 2
    assert "garden" not in unknown


def test_a_reader_is_trained(tiny_model: Path, tmp_path: Path, index: Path) -> None:
    asked = [(f"q{at}", f"Which number has the lamp in the {place}?", f"{place}#1") for at, place in enumerate(PLACES)]
    data = questions(tmp_path / "q.jsonl", *asked)
    outcome = perform(reading_job(tmp_path, tiny_model, index, data, epochs=2.0, checkpoint_s=600.0))
    assert outcome.notes["rows"] == 4
    assert outcome.notes["longest_row_tokens"] > 60, "with passages in it"
