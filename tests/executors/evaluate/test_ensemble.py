"""The answer that most models give counts, and what it cost is said."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job, Outcome, Site
from executors.evaluate import Ensemble, EnsembleParams
from planner.documents import Input, InputError, Step

if TYPE_CHECKING:
    from pathlib import Path

SITE = Site(device="cpu", device_memory_bytes=8 * 10**9, cores=2, disk_free_bytes=10**9)
WANTED = ["on", "off", "on", "off"]
SAID = (["on", "off", "off", "on"], ["On.", "off", "on", "on"], ["off", "I say off", "on", "on"])
PARAMS: dict[str, Any] = {
    "metrics": ["label_accuracy", "macro_f1"],
    "schema": None,
    "labels": ["on", "off"],
    "format": "label",
    "seed": 0,
}


def vote(folder: Path, said: tuple[list[str], ...] = SAID, wanted: list[str] = WANTED, **changed: Any) -> Outcome:
    inputs: dict[str, Path | str] = {"data": folder / "data.jsonl"}
    rows = [{"id": f"r{at}", "prompt": f"q{at}", "completion": text} for at, text in enumerate(wanted)]
    rows = rows or [{"id": "other", "prompt": "q", "completion": "on"}]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for number, texts in enumerate(said):
        records = [{"id": f"r{at}", "prediction": text, "tokens": 2} for at, text in enumerate(texts)]
        inputs[f"member-{number}"] = folder / f"member-{number}"
        (folder / f"member-{number}").write_text("".join(json.dumps(record) + "\n" for record in records))
    inputs |= changed.pop("inputs", {})
    (folder / "out").mkdir(exist_ok=True)
    params = EnsembleParams.model_validate(PARAMS | changed)
    return Ensemble().perform(Job("evaluate/ensemble", params, inputs, folder / "out", folder, lambda _: None, folder))


def test_the_majority_counts_and_costs_what_all_members_cost(tmp_path: Path) -> None:
    outcome = vote(tmp_path)
    assert outcome.metrics["label_accuracy_lenient"].value == 0.75
    assert outcome.metrics["tokens_per_answer"].value == 6
    assert outcome.metrics["unanimous"].value == 0.5
    records = [json.loads(line) for line in (tmp_path / "out/predictions").read_text().splitlines()]
    assert [record["prediction"] for record in records] == ["on", "off", "on", "on"]
    assert all({"scores", "counts", "expected", "tokens"} <= record.keys() for record in records)


def test_where_all_differ_the_first_member_counts(tmp_path: Path) -> None:
    said = (["a b"], ["c d"], ["e f"])
    outcome = vote(tmp_path, said, ["a b"], format="text", labels=None, metrics=["normalised_match"])
    assert outcome.metrics["normalised_match"].value == 1


def test_queries_are_voted_on_by_their_text_and_scored_by_running_them(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        connection.executescript("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)")
    said = (["SELECT 1"], ["SELECT count(*) FROM t"], ["SELECT  count(*) FROM t"])
    given = {"format": "sql", "labels": None, "metrics": ["execution_accuracy"]}
    outcome = vote(tmp_path, said, ["SELECT 2"], **given, inputs={"database": tmp_path / "shop.sqlite"})
    assert outcome.metrics["execution_accuracy"].value == 1


def test_members_without_a_case_in_common_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no case of the data in common"):
        vote(tmp_path, (["on"], ["on"], ["on"]), wanted=[])


@pytest.mark.parametrize(
    ("members", "metrics", "codes"),
    [
        (3, ["exact_match"], []),
        (2, ["exact_match"], ["ENS002"]),
        (3, ["judge", "perplexity"], ["ENS003", "ENS003"]),
        (3, ["execution_accuracy"], ["ENS001"]),
    ],
)
def test_what_no_vote_can_be_held_on_is_refused(members: int, metrics: list[str], codes: list[str]) -> None:
    inputs = {f"member-{at}": Input(step=f"evaluate/{at}", output="predictions") for at in range(members)}
    step = Step(
        address="evaluate/ensemble",
        title="",
        executor="ensemble",
        version="1",
        inputs={**inputs, "data": Input(pin="data/test")},
        params=PARAMS | {"metrics": metrics},
    )
    assert [finding.code for finding in Ensemble().check(step, SITE)] == codes
