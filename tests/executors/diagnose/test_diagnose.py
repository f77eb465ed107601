from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job, Outcome, Site
from executors.data import Row
from executors.diagnose import Diagnose, DiagnoseParams
from executors.diagnose.answerer import ModelAnswers
from executors.diagnose.causes import presumed, repeated
from executors.diagnose.cures import CURES
from executors.diagnose.symptoms import symptom
from executors.evaluate.case import AnswerForm, Case
from executors.models import load_model
from executors.prompt.document import make_prompt, write_prompt
from executors.prompt.examples import choose
from planner.catalog import reference_keys
from planner.documents import FailureReport, Input, InputError, Step
from tests.executors.tiny import TINY_SCHEMA, tiny_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from planner.documents import Event

SITE = Site(device="cpu", device_memory_bytes=8 * 10**9, cores=2, disk_free_bytes=10**9)
JSON = AnswerForm("json", TINY_SCHEMA)
LABEL = AnswerForm("label", labels=("on", "off"))
TEXT = AnswerForm("text")
EXPECTED = '{"intent":"on","slots":{"place":"hall"}}'


@pytest.mark.parametrize(
    ("form", "prediction", "expected", "name"),
    [
        (JSON, EXPECTED, EXPECTED, None),
        (JSON, "I turned it on.", EXPECTED, "malformed"),
        (JSON, '{"intent":"on","slots":{"place"', EXPECTED, "malformed"),
        (JSON, 'Here: {"intent":"off","slots":{}}', EXPECTED, "malformed"),
        (JSON, f"Here: {EXPECTED}", EXPECTED, "wrong form"),
        (JSON, '{"intent":"on"}', EXPECTED, "wrong form"),
        (JSON, '{"intent":"off","slots":{"place":"hall"}}', EXPECTED, "wrong content"),
        (LABEL, "on", "on", None),
        (LABEL, "It is on.", "on", "wrong form"),
        (LABEL, "It is off.", "on", "malformed"),
        (LABEL, "dim", "on", "malformed"),
        (LABEL, "off", "on", "wrong content"),
        (TEXT, "paris", "Paris.", None),
        (TEXT, "It is Paris.", "Paris", "wrong form"),
        (TEXT, "", "Paris", "malformed"),
        (TEXT, "Rome", "Paris", "wrong content"),
    ],
)
def test_an_answer_is_read_for_its_symptom(form: AnswerForm, prediction: str, expected: str, name: str | None) -> None:
    found = symptom(Case(form, prediction, expected))
    assert (found[0] if found else None) == name
    assert found is None or all(evidence.result for evidence in found[1])


@pytest.mark.parametrize(
    ("form", "kind", "prediction", "expected", "request_text", "name", "said"),
    [
        (JSON, "extraction", '{"intent":"off","slots":{}}', EXPECTED, "the hall, on", "behaviour", "1 of 1 values"),
        (JSON, "extraction", '{"intent":"on","slots":{}}', EXPECTED, "that room", "unknown", "0 of 1 values"),
        (JSON, "extraction", '{"intent":"on","slots":{"place":"hall","a":"b"}}', EXPECTED, "hall", "behaviour", "more"),
        (LABEL, "classification", "off", "on", "push it", "behaviour", "closed set"),
        (TEXT, "question-answering", "Rome", "Paris", "What is it?", "information", "not measured with the passage"),
        (TEXT, "question-answering", "Rome", "Paris", "Paris or Rome?", "unknown", "does not tell"),
        (TEXT, "question-answering", "10", "32", "Ann has 8 coins and Ben 3 times as many.", "unknown", "computed"),
        (TEXT, "question-answering", "He left.", "out of fear", f"{'They told him much. ' * 12}Why?", "unknown", "own"),
        (TEXT, "question-answering", "1815", "1789", "In which year?", "information", "not measured"),
        (TEXT, "translation", "Hund", "Katze", "cat", "behaviour", "presumed"),
        (TEXT, "chat", "no", "yes", "well?", "unknown", "does not tell"),
    ],
)
def test_wrong_content_has_a_cause_where_the_text_can_tell(
    form: AnswerForm, kind: Any, prediction: str, expected: str, request_text: str, name: str, said: str
) -> None:
    found, evidence = presumed(Case(form, prediction, expected), "wrong content", request_text, kind)
    assert found == name
    assert any(said in item.result for item in evidence)


def test_an_answer_that_many_training_rows_give_is_no_missing_fact() -> None:
    rows = [Row(str(at), "Well?", text) for at, text in enumerate(["Yes.", "yes", "Yes", "Rome"])]
    assert repeated(rows) == {"yes"}
    causes = [
        presumed(Case(TEXT, "no", "yes"), "wrong content", "Is it raining?", "question-answering", one_of_few=few)[0]
        for few in (False, True)
    ]
    assert causes == ["information", "unknown"]


def test_a_failing_form_is_behaviour_whatever_the_task() -> None:
    assert presumed(Case(TEXT, "", "Paris"), "malformed", "What?", "question-answering")[0] == "behaviour"


def diagnose(tmp_path: Path, predictions: list[dict[str, str]]) -> Outcome:
    inputs: dict[str, Path | str] = {
        "data": write_rows(tmp_path / "test.jsonl", tiny_rows(4)),
        "predictions": write_rows(tmp_path / "predictions.jsonl", predictions),
    }
    params = DiagnoseParams.model_validate(
        {"format": "json", "schema": TINY_SCHEMA, "labels": None, "kind": "semantic-parsing", "seed": 0}
    )
    return Diagnose().perform(
        Job("diagnose/prompting", params, inputs, tmp_path, tmp_path, lambda event: None, tmp_path)
    )


def test_the_report_names_every_failing_case_and_its_counts(tmp_path: Path) -> None:
    right = tiny_rows(4)[0]["completion"]
    outcome = diagnose(
        tmp_path,
        [
            {"id": "tiny-0", "prediction": right},
            {"id": "tiny-1", "prediction": "Sure!"},
            {"id": "tiny-2", "prediction": "{}"},
            {"id": "tiny-3", "prediction": right},
        ],
    )
    report = FailureReport.model_validate(json.loads((tmp_path / "report").read_text(encoding="utf-8")), strict=False)
    assert (report.cases_seen, report.failed) == (4, 3)
    assert report.by_symptom == {"malformed": 1, "wrong content": 1, "wrong form": 1}
    assert report.by_cause == {"behaviour": 3}
    assert [case.id for case in report.cases] == ["tiny-1", "tiny-2", "tiny-3"]
    assert outcome.metrics["behaviour_share"].value == 1.0
    assert outcome.metrics["malformed_share"].low is not None
    assert outcome.metrics["failed"].value == 3.0


def test_no_failure_has_no_shares_to_trust(tmp_path: Path) -> None:
    outcome = diagnose(tmp_path, [{"id": "tiny-0", "prediction": tiny_rows(1)[0]["completion"]}])
    assert outcome.metrics["failed"].value == 0.0
    assert outcome.metrics["behaviour_share"].n == 0


def test_a_prediction_of_other_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="prediction elsewhere answers no row"):
        diagnose(tmp_path, [{"id": "elsewhere", "prediction": ""}])


def test_labels_without_a_set_are_a_finding() -> None:
    step = Step(address="diagnose/prompting", title="", executor="diagnose", version="1", params={"format": "label"})
    assert len(Diagnose().check(step, SITE)) == 3


def asked_of_a_model(folder: Path, model: Path, *, report: Callable[[Event], None] = lambda event: None) -> Job:
    """A diagnosis of four failing answers with everything that experiments can be made with."""
    rows = [row | {"gold": row["id"]} for row in tiny_rows(4)]
    corpus = [{"id": row["id"], "title": "note", "text": f"{row['prompt']}: {row['completion']}"} for row in rows]
    write_prompt(make_prompt("Do as asked."), folder / "prompt.json")
    inputs: dict[str, Path | str] = {
        "data": write_rows(folder / "test.jsonl", rows),
        "predictions": write_rows(folder / "predictions.jsonl", [{"id": row["id"], "prediction": "?"} for row in rows]),
        "model": model,
        "stronger": model,
        "prompt": folder / "prompt.json",
        "train": write_rows(folder / "train.jsonl", tiny_rows(8, start=20)),
        "documents": write_rows(folder / "corpus.jsonl", corpus),
    }
    params = DiagnoseParams.model_validate(
        {"format": "json", "schema": TINY_SCHEMA, "labels": None, "kind": "question-answering", "seed": 0}
        | {"max_new_tokens": 8, "batch_size": 1, "dtype": "fp32", "examples": 2, "passages": 1, "limit": 3}
    )
    out = folder / "out"
    out.mkdir(exist_ok=True)
    return Job("diagnose/prompting", params, inputs, out, folder / "checkpoints", report, folder / "cache")


@pytest.mark.slow
def test_a_model_makes_the_experiments_on_a_sample(tmp_path: Path, tiny_model: Path) -> None:
    outcome = Diagnose().perform(asked_of_a_model(tmp_path, tiny_model))
    report = FailureReport.model_validate_json((tmp_path / "out" / "report").read_text(encoding="utf-8"))
    assert (report.cases_seen, report.failed, report.diagnosed, len(report.cases)) == (4, 4, 3, 3)
    asked = {each.name: each.asked for each in report.experiments}
    assert asked["lenient scoring"] == asked["gold passage"] == asked["nearest examples"] == 3
    assert asked["stronger model"] == 3
    assert outcome.metrics["repaired_by_gold_passage"].n == 3
    assert any("drawn by the seed" in note for note in report.notes)


@pytest.mark.slow
def test_the_model_is_loaded_once_for_all_experiments_and_the_stronger_one_once(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from executors.evaluate import local

    loaded: list[Path] = []

    def load(folder: Path, *given: Any, **more: Any) -> Any:
        loaded.append(folder)
        return load_model(folder, *given, **more)

    monkeypatch.setattr(local, "load_model", load)
    Diagnose().perform(asked_of_a_model(tmp_path, tiny_model))
    asked = FailureReport.model_validate_json((tmp_path / "out" / "report").read_text(encoding="utf-8")).experiments
    assert len(asked) > 3
    assert len(loaded) == 2, "the one that failed, and the stronger one"


@pytest.mark.slow
def test_a_diagnosis_that_was_killed_asks_nothing_twice(tmp_path: Path, tiny_model: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    Diagnose().perform(asked_of_a_model(whole, tiny_model))
    expected = (whole / "out" / "report").read_bytes()

    class Killed(BaseException):
        pass

    def kill(event: Event) -> None:
        if "nearest examples" in event.message:
            raise Killed

    parted = tmp_path / "parted"
    parted.mkdir()
    with pytest.raises(Killed):
        Diagnose().perform(asked_of_a_model(parted, tiny_model, report=kill))
    kept = (parted / "checkpoints" / "gold-passage" / "answers.jsonl").read_bytes()
    said: list[str] = []
    Diagnose().perform(asked_of_a_model(parted, tiny_model, report=lambda event: said.append(event.message)))
    assert (parted / "checkpoints" / "gold-passage" / "answers.jsonl").read_bytes() == kept
    assert not [message for message in said if "gold passage" in message]
    assert (parted / "out" / "report").read_bytes() == expected


@pytest.mark.slow
def test_a_prompt_beyond_the_window_is_left_out_and_stops_nothing(tmp_path: Path, tiny_model: Path) -> None:
    work = asked_of_a_model(tmp_path, tiny_model)
    long = [{"id": row["id"], "text": f"{row['prompt']} " + "and so on " * 300} for row in tiny_rows(4)]
    write_rows(tmp_path / "corpus.jsonl", long)
    Diagnose().perform(work)
    report = FailureReport.model_validate_json((tmp_path / "out" / "report").read_text(encoding="utf-8"))
    assert "gold passage" not in {each.name for each in report.experiments}
    assert {each.name for each in report.experiments} >= {"lenient scoring", "nearest examples"}


def test_a_model_without_its_prompt_is_a_finding() -> None:
    step = Step(
        address="diagnose/prompting",
        title="",
        executor="diagnose",
        version="2",
        inputs={name: Input(pin=f"data/{name}") for name in ("predictions", "data", "model")},
        params={"format": "text"},
    )
    (finding,) = Diagnose().check(step, SITE)
    assert "prompt" in finding.message


def test_every_cure_names_sources_that_are_known() -> None:
    known = reference_keys()
    assert not [key for cure in CURES.values() for key in cure.cite if key not in known]


def test_a_report_of_an_older_version_is_still_read() -> None:
    old = {"format": "adapt.failures/1", "source": "x", "cases_seen": 2, "failed": 1, "by_cause": {"behaviour": 1}}
    case = {"id": "a", "symptom": "malformed", "cause": "behaviour", "evidence": [{"test": "parse", "result": "No."}]}
    report = FailureReport.model_validate_json(json.dumps({**old, "by_symptom": {"malformed": 1}, "cases": [case]}))
    assert (report.diagnosed, report.cases[0].measured) == (None, False)


def answers_of(folder: Path, train: list[Row], row: Row) -> ModelAnswers:
    """A model's answers, of which only the prompts are looked at."""
    params = DiagnoseParams.model_validate(
        {"format": "text", "schema": None, "labels": None, "kind": "question-answering", "seed": 0, "examples": 8}
    )
    work = Job("diagnose/prompting", params, {"model": folder}, folder, folder, lambda event: None, folder)
    return ModelAnswers(work, TEXT, make_prompt("Answer."), {row.id: row}, tuple(train))


def test_examples_that_hold_the_answer_are_not_shown_unless_it_is_one_of_a_few(tmp_path: Path) -> None:
    row = Row("q", "Which sea is it?", "the Laptev Sea")
    told = [Row("t1", "Which sea is cold?", "the Laptev Sea"), Row("t2", "Which sea is warm?", "the Red Sea")]
    prompt = make_prompt("", choose(told, 8, select="similar", seed=0, label=None))
    shown = answers_of(tmp_path, told, row)._untold(prompt, row)
    assert [example.id for example in shown.examples] == ["t2"]
    often = [Row(f"t{number}", f"Is it {number}?", "yes") for number in range(3)]
    prompt = make_prompt("", choose(often, 8, select="similar", seed=0, label=None))
    sure = Row("q", "Is it?", "yes")
    assert len(answers_of(tmp_path, often, sure)._untold(prompt, sure).examples) == 3


@pytest.mark.parametrize(
    ("row", "offered"),
    [
        (Row("pair", "where?", "here"), True),
        (Row("longer", "and then?", "there", ({"role": "user", "content": "where?"},)), False),
        (Row("text", "", "It stands here."), False),
    ],
)
def test_examples_are_an_experiment_where_rows_can_be_shown(row: Row, offered: bool, tmp_path: Path) -> None:
    assert ("nearest examples" in answers_of(tmp_path, [row], Row("asked", "who?", "me")).offered()) == offered
