"""A plan's record of the survey gives the survey back, without places on this machine."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings

from planner.documents import Spec, canonical_json, validate
from planner.survey import Survey, normalise, survey, survey_of, surveyed
from tests.planner.random_specs import specs

if TYPE_CHECKING:
    from pathlib import Path

# What stands elsewhere in a plan.
ELSEWHERE = {"hardware", "hardware_sources", "findings"}
FULL = {
    "task": {"description": "Sort", "output": {"format": "json", "schema": {"type": "object"}}},
    "data": {"train": "train.jsonl", "test": "test.jsonl", "documents": {"examples": 40}},
    "models": [{"id": "meta-llama/Llama-3.1-8B-Instruct"}, {"id": "own", "params": 3_000_000_000}],
    "hardware": "a10g",
    "failures": {"behaviour": 4, "style": 2},
    "merge": {"sources": [{"id": "meta-llama/Llama-3.1-8B-Instruct"}, {"id": "b", "base": "own"}]},
}


def looked_at(values: dict[str, Any], folder: Path) -> Survey:
    spec, _ = normalise(validate(Spec, values, code="SPEC"), folder)
    return survey(spec, folder)


def same(one: Survey, other: Survey) -> bool:
    """Whether two surveys agree in everything but places on a machine."""
    return canonical_json(surveyed(one)) == canonical_json(surveyed(other))


def test_what_was_found_comes_back_from_the_record(tmp_path: Path) -> None:
    for name, count in (("train", 90), ("test", 30)):
        rows = [{"prompt": f"{name} {row}", "completion": ("yes", "no")[row % 2]} for row in range(count)]
        text = "\n".join(json.dumps(row) for row in [*rows, rows[0]])
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    before = looked_at(FULL, tmp_path)
    record = json.loads(canonical_json(surveyed(before)))
    after = survey_of(record, before.hardware)
    assert after.data == before.data
    assert after.data["train"].tokens is not None
    assert after.data["train"].duplicates == 1
    assert after.failures == before.failures
    assert after.schema == before.schema
    assert [source.id for source in after.merge_sources] == [source.id for source in before.merge_sources]
    assert after.merge_sources[0].model is not None
    assert {name: model.config for name, model in after.models.items()} == {
        name: model.config for name, model in before.models.items()
    }
    assert str(tmp_path) not in canonical_json(record)


def test_every_part_of_a_survey_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"prompt": "a", "completion": "b"}', encoding="utf-8")
    (tmp_path / "test.jsonl").write_text('{"prompt": "c", "completion": "d"}', encoding="utf-8")
    parts = {each.name for each in dataclasses.fields(Survey)}
    assert set(surveyed(looked_at(FULL, tmp_path))) == parts - ELSEWHERE - {"grammar"}
    # Decoding is held to a schema or to a grammar.
    (tmp_path / "sql.ebnf").write_text('root ::= "SELECT 1"', encoding="utf-8")
    held = {**FULL, "task": {"description": "Write the query", "output": {"format": "sql", "grammar": "sql.ebnf"}}}
    before = looked_at(held, tmp_path)
    assert survey_of(surveyed(before), before.hardware).grammar == before.grammar == 'root ::= "SELECT 1"'


@given(specs())
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_the_record_of_the_record_is_the_same(tmp_path_factory: Any, spec: dict[str, Any]) -> None:
    found = looked_at(spec, tmp_path_factory.getbasetemp())
    assert same(found, survey_of(json.loads(canonical_json(surveyed(found))), found.hardware))
