"""SARIF: valid by the published schema, and in the shape that code hosting services ask for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from adapt.render.sarif import MOST_RESULTS, sarif
from planner.documents import Finding, Findings, Where
from tests.adapt.render.reviews import CLEAN, RATE, RESULT, TRAIN

ROOT = Path(__file__).parents[3]
SCHEMA = Path(os.environ.get("ADAPT_SHARED", ROOT.parent / "shared")) / "sarif-schema-2.1.0.json"
NAMES = {"REV901": "the learning rate belongs to another method"}
needs_schema = pytest.mark.skipif(
    not SCHEMA.is_file(), reason="the published SARIF schema is not beside the repository; set ADAPT_SHARED"
)


def log(result: Findings = RESULT, folder: Path = Path()) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(sarif(result, NAMES, "0.1.0", folder))
    return document


def run(result: Findings = RESULT) -> dict[str, Any]:
    (only,) = log(result)["runs"]
    return dict(only)


@needs_schema
@pytest.mark.parametrize("result", [RESULT, CLEAN, Findings()], ids=["findings", "clean", "nothing"])
def test_the_log_is_valid_by_the_published_schema(result: Findings) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert not [error.message for error in validator.iter_errors(log(result))]
    assert list(validator.iter_errors({"version": "2.1.0"})), "the schema refuses what is wrong"


def test_every_result_names_its_rule_by_id_and_by_index() -> None:
    only = run()
    rules = only["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted({result["ruleId"] for result in only["results"]})
    assert len(only["results"]) == 6
    for result in only["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_rule_tells_its_name_its_reason_and_its_source() -> None:
    rule = next(rule for rule in run()["tool"]["driver"]["rules"] if rule["id"] == "REV901")
    assert rule["shortDescription"]["text"] == "The learning rate belongs to another method."
    assert rule["fullDescription"]["text"] == rule["help"]["text"].splitlines()[0] == RATE.why
    assert rule["helpUri"] in rule["help"]["markdown"]
    assert rule["helpUri"].startswith("https://")
    assert rule["defaultConfiguration"]["level"] == "warning"
    assert "finetuning" in rule["properties"]["tags"]


def test_a_rule_whose_name_takes_up_what_was_found_reads_without_it() -> None:
    names = {"REV901": "it needs @config_memory_gb GB"}
    (only,) = json.loads(sarif(RESULT, names, "0.1.0", Path()))["runs"]
    said = [rule["shortDescription"]["text"] for rule in only["tool"]["driver"]["rules"]]
    assert "It needs (memory gb) GB." in said


def test_a_place_is_a_relative_percent_encoded_path_and_a_line() -> None:
    places = [result["locations"][0]["physicalLocation"] for result in run()["results"]]
    assert {place["artifactLocation"]["uri"] for place in places} == {
        "configs/train%201.yml",
        "merge.yaml",
        "broken.yaml",
    }
    assert {place["artifactLocation"]["uriBaseId"] for place in places} == {"%SRCROOT%"}
    assert all(place["region"]["startLine"] >= 1 for place in places)
    rate = next(result for result in run()["results"] if result["ruleId"] == "REV901")
    assert rate["locations"][0]["physicalLocation"]["region"]["startLine"] == 7


def test_a_file_outside_of_the_folder_has_its_whole_address(tmp_path: Path) -> None:
    outside = Finding(code="REV901", severity="note", message="x", where=Where(file="../other/train.yml"))
    (tmp_path / "repository").mkdir()
    (only,) = log(Findings(findings=(outside,)), tmp_path / "repository")["runs"]
    place = only["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": (tmp_path / "other" / "train.yml").as_uri()}


def test_a_finding_keeps_its_fingerprint_when_lines_move_and_loses_it_when_its_value_changes() -> None:
    def fingerprint(result: Findings) -> str:
        found = next(each for each in run(result)["results"] if each["ruleId"] == "REV901")
        return str(found["partialFingerprints"]["adaptFinding/v1"])

    moved = RATE.model_copy(update={"where": RATE.where.model_copy(update={"line": 70}), "message": "other words"})
    file = RESULT.files[0]
    changed = file.settings["learning_rate"].model_copy(update={"value": 3e-5})
    other = file.model_copy(update={"settings": {"learning_rate": changed}})
    before = fingerprint(RESULT)
    assert fingerprint(RESULT.model_copy(update={"findings": (moved,)})) == before
    assert fingerprint(RESULT.model_copy(update={"files": (other,)})) != before
    every = [result["partialFingerprints"]["adaptFinding/v1"] for result in run()["results"]]
    assert len(set(every)) == len(every)


def test_what_is_set_aside_says_by_whom_and_why() -> None:
    results = {result["ruleId"]: result["suppressions"] for result in run()["results"]}
    assert results["REV904"] == [
        {"kind": "inSource", "status": "accepted", "justification": "the code is ours & pinned"}
    ]
    assert results["REV905"] == [{"kind": "external", "status": "accepted"}]
    assert results["REV901"] == []


def test_a_file_that_could_not_be_read_makes_the_run_unsuccessful() -> None:
    (invocation,) = run()["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [notice["descriptor"]["id"] for notice in invocation["toolExecutionNotifications"]] == ["CONF021"]
    assert run(CLEAN)["invocations"][0]["executionSuccessful"] is True


def test_too_many_results_are_cut_the_worst_stay_and_it_is_said() -> None:
    notes = tuple(
        Finding(code="REV903", severity="note", message="n", where=Where(file=TRAIN, pointer=f"/{number}"))
        for number in range(MOST_RESULTS)
    )
    only = run(RESULT.model_copy(update={"findings": (*notes, RATE), "suppressed": ()}))
    assert len(only["results"]) == MOST_RESULTS
    assert only["results"][0]["ruleId"] == "REV901"
    assert "1 results are left out" in only["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_the_same_review_has_the_same_bytes() -> None:
    assert sarif(RESULT, NAMES, "0.1.0", Path()) == sarif(RESULT, NAMES, "0.1.0", Path.cwd())
