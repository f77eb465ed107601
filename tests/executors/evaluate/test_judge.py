"""A judge grades answers through a real server: strictly read, leniently read, or not graded and counted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from executors.evaluate import Evaluate, judge
from executors.evaluate import server as backend
from planner.documents import AdaptError, JudgeParams
from tests.executors.evaluate.served_jobs import job, records
from tests.executors.evaluate.server import Body, Reply, chat_server
from tests.executors.tiny import tiny_rows

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Job


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    from openai import _base_client

    monkeypatch.setattr(_base_client, "INITIAL_RETRY_DELAY", 0.01)
    monkeypatch.setattr(backend, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setenv("TEST_KEY", "sk-candidate")
    monkeypatch.setenv("JUDGE_KEY", "sk-judge")


# A judge's words, and the grade of 1 to 5 that they are read as.
VERDICTS: list[tuple[str, int | None]] = [
    ('{"reason": "all there", "grade": 5}', 5),
    ('{"grade": 1, "reason": ""}', 1),
    ('Here you are:\n```json\n{"reason": "x", "grade": 4}\n```', 4),
    ('{"reason": "x", "grade": "3"}', 3),
    ('{"reason": "x", "grade": 2.0}', 2),
    ("I would give it Grade: 4.", 4),
    ("**Grade**: 3", 3),
    ("Grade 2, not grade 4", None),
    ('{"reason": "x", "grade": 6}', None),
    ('{"reason": "x", "grade": 0}', None),
    ('{"reason": "x", "grade": true}', None),
    ('{"reason": "x", "grade": 2.5}', None),
    ('{"reason": "x"}', None),
    ("4", None),
    ("It is good.", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "grade"), VERDICTS)
def test_a_verdict_is_read_or_refused(text: str, grade: int | None) -> None:
    verdict = judge.read_verdict(text, 5)
    assert (verdict and verdict.grade) == grade
    if verdict is not None:
        assert verdict.score == (verdict.grade - 1) / 4


def graded(tmp_path: Path, url: str, **changed: Any) -> Job:
    endpoint = {"url": url, "model": "the-judge", "api_key_env": "JUDGE_KEY", "timeout_s": 0.5, "max_retries": 1}
    rule = {"endpoint": endpoint, "rubric": "It names the room.", "scale": 5}
    return job(tmp_path, url, metrics=["json_exact", "judge"], judge=rule, **changed)


def answer(body: Body, before: int) -> Reply:
    """The candidate says the place; the judge likes the kitchen, and says nonsense about the cellar."""
    said = body["messages"][-1]["content"]
    if body["model"] == "m":
        return Reply(text=said.rpartition(" ")[2] if "hall" not in said else "")
    if "cellar" in said:
        return Reply(text="no idea")
    return Reply(text=json.dumps({"reason": "ok", "grade": 5 if "kitchen" in said else 2}))


def test_answers_are_graded_beside_their_reference_and_the_grades_are_told(tmp_path: Path) -> None:
    with chat_server(answer) as server:
        work = graded(tmp_path, server.url, rows=10)
        outcome = Evaluate().perform(work)
        asked = [body for body in server.bodies if body["model"] == "the-judge"]
        Evaluate().perform(work)
        assert len(server.bodies) == 10 + len(asked)
    # Two empty answers are not shown to the judge, and two cellars stay without a grade.
    assert len(asked) == 8
    found = outcome.metrics["judge"]
    assert found.n == 8
    assert found.value == pytest.approx((2 * 1 + 4 * 0.25 + 2 * 0) / 8)
    assert found.low is not None and found.high is not None and found.low < found.value < found.high
    assert found.interval == "bootstrap"
    note = outcome.notes["judge"]
    assert isinstance(note, dict)
    assert (note["not_graded"], note["scale"], note["served_model"]) == (2, 5, "the-judge")
    assert str(note["prompt"]).startswith("sha256:")
    assert "favour" in str(note["bias"])
    [kitchen, hall, *_, cellar] = records(work)[:5]
    assert kitchen["scores"]["judge"] == 1.0
    assert kitchen["verdict"] == {"grade": 5, "reason": "ok"}
    assert hall["scores"]["judge"] == 0.0
    assert "judge" not in cellar["scores"]
    system, user = asked[0]["messages"]
    assert "It names the room." in system["content"]
    assert "from 1 to 5" in system["content"]
    first = tiny_rows(1)[0]
    assert any(first["completion"] in body["messages"][1]["content"] for body in asked)
    assert "<answer>" in user["content"]
    assert asked[0]["response_format"]["json_schema"]["schema"]["properties"]["grade"]["enum"] == [1, 2, 3, 4, 5]
    assert server.headers[-1]["authorization"] == "Bearer sk-judge"


def test_another_rubric_is_another_version() -> None:
    endpoint = {"url": "http://localhost/v1", "model": "j"}
    texts = {
        judge.system_text(JudgeParams.model_validate({"endpoint": endpoint, "rubric": rubric, "scale": scale}))[
            "content"
        ]
        for rubric in (None, "It is short.", "Braces {like these} stay.")
        for scale in (3, 5)
    }
    assert len(texts) == 6
    assert any("Braces {like these} stay." in text for text in texts)


def test_a_judge_that_refuses_everything_ends_the_step_and_the_answers_are_kept(tmp_path: Path) -> None:
    with chat_server(lambda body, before: answer(body, 0) if body["model"] == "m" else Reply(401, "{}")) as server:
        work = graded(tmp_path, server.url, rows=10)
        with pytest.raises(AdaptError, match=r"refuses the key"):
            Evaluate().perform(work)
    assert (work.checkpoints / "predictions.jsonl").read_bytes().count(b"\n") == 10
