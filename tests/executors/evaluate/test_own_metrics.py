from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from executors.evaluate import Evaluate
from executors.evaluate.case import AnswerForm, Case
from executors.evaluate.own_metrics import OwnMetrics
from executors.registry import metric_registry
from planner.documents import Input, InputError, Step
from tests.executors.evaluate.test_evaluate import SITE, job, params, records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = AnswerForm("text")
NOT_A_FUNCTION = "nothing to call"


def brevity(case: Case) -> float:
    """A metric of a user's: the shorter the better."""
    return 1 / (1 + len(case.prediction))


def fussy(case: Case) -> float:
    """Fails on what it does not like."""
    if "!" in case.prediction:
        raise LookupError("no exclamation marks")
    return 2.0 if case.prediction == "two" else 1.0


def hopeless(case: Case) -> float:
    raise RuntimeError("always")


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    here = __name__
    real = metadata.entry_points
    points = [
        metadata.EntryPoint(name, f"{here}:{target}", "adapt.metrics")
        for name, target in (
            ("brevity", "brevity"), ("fussy", "fussy"), ("hopeless", "hopeless"),
            ("broken", "missing"), ("text", "NOT_A_FUNCTION"),
        )
    ]  # fmt: skip

    def entry_points(**asked: str) -> object:
        return points if asked.get("group") == "adapt.metrics" else real(**asked)

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    metric_registry.cache_clear()
    yield
    metric_registry.cache_clear()


def test_a_function_of_the_users_scores_every_case() -> None:
    own = OwnMetrics(["brevity", "exact_match"])
    assert own.score(Case(TEXT, "abc", "x")) == {"brevity": 0.25}
    own.score(Case(TEXT, "", "x"))
    found = own.measured(0)
    assert found["brevity"].value == pytest.approx(0.625)
    assert own.notes == {}


def test_a_case_on_which_it_fails_scores_zero_and_is_counted() -> None:
    own = OwnMetrics(["fussy"])
    scores = [own.score(Case(TEXT, text, "x"))["fussy"] for text in ("fine", "no!", "two", "never!")]
    assert scores == [1.0, 0.0, 0.0, 0.0]
    assert own.measured(0)["fussy"].value == 0.25
    assert own.notes == {"failed_metrics": {"fussy": "3 cases, such as LookupError: no exclamation marks"}}


def test_one_that_fails_everywhere_is_an_error_of_its_own() -> None:
    own = OwnMetrics(["hopeless"])
    own.score(Case(TEXT, "a", "x"))
    with pytest.raises(InputError, match="`hopeless` failed on every case: RuntimeError: always"):
        own.measured(0)


def step(*metrics: str) -> Step:
    inputs = {name: Input(pin="x") for name in ("model", "prompt", "data")}
    asked = params(metrics=list(metrics))
    return Step(address="evaluate/x", title="", executor="evaluate", version="1", params=asked, inputs=inputs)


@pytest.mark.parametrize(
    ("metric", "code", "said"),
    [
        ("brevty", "RUN187", "Did you mean `brevity`?"),
        ("exact_mach", "RUN187", "Did you mean `exact_match`?"),
        ("house_style", "RUN187", "Install the package that provides it"),
        ("broken", "RUN161", "does not load"),
        ("text", "RUN161", "it is no function"),
        ("execution_accuracy", "EVAL005", "/evaluation/database"),
    ],
)
def test_a_metric_that_cannot_be_measured_is_refused_before_the_run(metric: str, code: str, said: str) -> None:
    [finding] = Evaluate().check(step(metric), SITE)
    assert finding.code == code
    assert said in f"{finding.message} {finding.fix}"


def test_metrics_that_are_here_are_not_refused() -> None:
    assert Evaluate().check(step("brevity", "exact_match"), SITE) == []


def test_doctor_lists_them_and_a_broken_one_is_a_row() -> None:
    from adapt.cli.doctor import command

    result = CliRunner().invoke(command, ["--json"])
    assert '"name": "brevity"' in result.output.replace('":"', '": "')
    assert "does not load" in result.output
    assert "Traceback" not in result.output


@pytest.mark.slow
def test_an_evaluation_measures_them_beside_its_own(tmp_path: Path, tiny_model: Path) -> None:
    work, _ = job(tmp_path, tiny_model, metrics=["json_exact", "brevity"])
    outcome = Evaluate().perform(work)
    assert 0 < outcome.metrics["brevity"].value <= 1
    assert "brevity" in records(work)[0]["scores"]
    assert isinstance(outcome.notes["slices"], list)
