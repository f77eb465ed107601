"""What a spec's fields say together is checked, and open fields are filled with a reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from planner.planning import plan
from planner.survey import check_spec, load_schema, normalise
from planner.survey.schema_check import schema_problem
from tests.planner.survey.conftest import spec_of, write_rows

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Spec


def said(spec: Spec, folder: Path) -> dict[str, str]:
    return {f"{finding.severity} {finding.where.pointer}": str(finding) for finding in check_spec(spec, folder)}


def test_a_sound_spec_has_nothing_to_remark(tmp_path: Path) -> None:
    assert check_spec(spec_of(), tmp_path) == ()


def test_an_unknown_metric_is_a_warning_with_a_near_name(tmp_path: Path) -> None:
    found = said(spec_of(evaluation={"metrics": ["exact_mtch", "house_style"]}), tmp_path)
    assert "Did you mean `exact_match`?" in found["warning /evaluation/metrics/0"]
    assert "a package of yours (entry point adapt.metrics)" in found["warning /evaluation/metrics/1"]


def test_a_target_on_a_metric_that_is_not_measured_is_an_error(tmp_path: Path) -> None:
    evaluation = {"metrics": ["slot_f1"], "target": {"slotf1": 0.8, "f1": 0.8}}
    found = said(spec_of(evaluation=evaluation), tmp_path)
    assert "Did you mean `slot_f1`?" in found["error /evaluation/target/slotf1"]
    assert "warning /evaluation/target/f1" in found


@pytest.mark.parametrize(
    ("value", "fix"), [(95, "0.95 for 95%"), (-1, "Write a fraction."), (1000, "Write a fraction.")]
)
def test_a_target_outside_0_to_1_is_warned_of(tmp_path: Path, value: float, fix: str) -> None:
    found = said(spec_of(evaluation={"target": {"accuracy": value}}), tmp_path)
    assert fix in found["warning /evaluation/target/accuracy"]


def test_metrics_without_an_upper_end_may_have_any_target(tmp_path: Path) -> None:
    assert said(spec_of(evaluation={"target": {"perplexity": 12}}), tmp_path) == {}


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_overlap_scores_are_fractions_as_all_others_are(tmp_path: Path, metric: str) -> None:
    found = said(spec_of(evaluation={"target": {metric: 30}}), tmp_path)
    assert "0.3 for 30%" in found[f"warning /evaluation/target/{metric}"]


def test_labels_must_fit_the_format(tmp_path: Path) -> None:
    def with_output(**output: Any) -> dict[str, str]:
        return said(spec_of(task={"description": "x", "output": output}), tmp_path)

    assert "no labels are listed" in with_output(format="label")["warning /task/output/labels"]
    assert "format is text" in with_output(labels=["a", "b"])["warning /task/output/labels"]
    assert "listed twice" in with_output(format="label", labels=["a", "a"])["error /task/output/labels"]
    assert "blank" in with_output(format="label", labels=["a", " "])["error /task/output/labels"]


def test_a_schema_is_checked_inline_and_in_its_file(tmp_path: Path) -> None:
    def with_schema(schema: Any) -> Spec:
        return spec_of(task={"description": "x", "output": {"format": "json", "schema": schema}})

    assert "the types are array" in said(with_schema({"type": "objct"}), tmp_path)["error /task/output/schema/type"]
    (tmp_path / "s.json").write_text(json.dumps({"properties": {"a": {"type": "object", "required": "a"}}}))
    (finding,) = check_spec(with_schema("s.json"), tmp_path)
    assert (finding.where.file, finding.where.pointer) == ("s.json", "/properties/a/required")
    (tmp_path / "s.json").write_text("[1]")
    assert "holds no JSON object" in said(with_schema("s.json"), tmp_path)["error /task/output/schema"]
    (tmp_path / "s.json").write_text("{")
    assert "line 1, column 2" in said(with_schema("s.json"), tmp_path)["error /task/output/schema"]
    (tmp_path / "s.json").write_text('{"type": "object"}')
    assert load_schema(with_schema("s.json"), tmp_path) == {"type": "object"}
    assert load_schema(spec_of(), tmp_path) is None


KEYWORDS = st.sampled_from(
    ["type", "properties", "items", "required", "enum", "minLength", "additionalProperties", "not"]
)
VALUES = st.sampled_from([True, 1, -1, "object", "objct", ["a", "a"], ["a"], [], {}, ["string", "null"], {"type": 3}])
SCHEMAS: Any = st.recursive(
    st.dictionaries(KEYWORDS, VALUES, max_size=3),
    lambda inner: st.dictionaries(KEYWORDS, inner, max_size=2),
    max_leaves=4,
)


@given(schema=SCHEMAS)
def test_the_quick_schema_test_agrees_with_jsonschema(schema: dict[str, Any]) -> None:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        assert schema_problem(schema) is not None
    else:
        assert schema_problem(schema) is None


def test_models_are_listed_once_and_one_can_be_adapted(tmp_path: Path) -> None:
    found = said(spec_of(models=[{"id": "a", "role": "teacher"}, {"id": "a", "role": "teacher"}]), tmp_path)
    assert set(found) == {"error /models/1/id", "error /models"}


def test_every_named_file_must_exist(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [{}])
    spec = spec_of(
        data={"train": "trian.jsonl", "documents": {"path": "docs"}},
        evaluation={"data": "e.jsonl"},
        task={"description": "x", "other_tasks": [{"name": "a", "data": "o.jsonl"}]},
        rule_books=["own.toml"],
        failures="f.jsonl",
    )
    found = said(spec, tmp_path)
    assert set(found) == {
        "error /data/train",
        "error /data/documents",
        "error /evaluation/data",
        "error /task/other_tasks/0/data",
        "error /rule_books/0",
        "error /failures",
    }
    assert "Did you mean `train.jsonl`?" in found["error /data/train"]


def test_open_fields_are_filled_with_a_reason(tmp_path: Path) -> None:
    folder = tmp_path / "My tickets!"
    folder.mkdir()
    output = {"format": "json", "schema": {"type": "object"}}
    spec = spec_of(
        task={"description": "x", "kind": "semantic-parsing", "output": output},
        data={"validation": {"path": "valid.jsonl"}},
    )
    full, filled = normalise(spec, folder)
    assert full.name == "My-tickets"
    assert full.evaluation.metrics == ("json_exact", "slot_f1", "schema_valid")
    assert full.evaluation.data == "valid.jsonl"
    assert [each.pointer for each in filled] == ["/name", "/evaluation/metrics", "/evaluation/data"]
    assert all(each.because for each in filled)
    assert normalise(full, folder) == (full, ())
    assert spec.name is None


def test_metrics_follow_the_target_before_the_kind(tmp_path: Path) -> None:
    full, _ = normalise(spec_of(evaluation={"target": {"f1": 0.5}}), tmp_path)
    assert full.evaluation.metrics == ("f1",)


def test_a_grammar_is_read_and_decoding_is_held_to_it(tmp_path: Path) -> None:
    (tmp_path / "sql.ebnf").write_text('root ::= "SELECT " [a-z]+')
    task = {"description": "Write the query", "kind": "semantic-parsing", "output": {"format": "sql"}}
    held = spec_of(task={**task, "output": {"format": "sql", "grammar": "sql.ebnf"}})
    document = plan(held, folder=tmp_path)
    decided = document.decision("decoding")
    assert decided is not None and decided.answer == "grammar"
    measured = document.step("evaluate/zero-shot").params
    assert (measured["decoding"], measured["grammar"]) == ("grammar", 'root ::= "SELECT " [a-z]+')
    free = plan(spec_of(task=task), folder=tmp_path).decision("decoding")
    assert free is not None and "give one as task.output.grammar" in free.because


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"format": "sql", "grammar": "none.ebnf"}, "does not exist"),
        ({"format": "sql", "grammar": "json.gbnf"}, "has no rule `root ::= ...`"),
        ({"pattern": "(a"}, "no regular expression: missing )"),
        ({"pattern": "a", "labels": ["a", "b"]}, "held to one of labels and pattern"),
    ],
)
def test_what_decoding_cannot_be_held_to_is_told(tmp_path: Path, output: dict[str, Any], said: str) -> None:
    (tmp_path / "json.gbnf").write_text("value ::= [0-9]")
    found = check_spec(spec_of(task={"description": "Do it", "output": output}), tmp_path)
    assert said in "\n".join(map(str, found))
