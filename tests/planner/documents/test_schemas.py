"""The published JSON Schemas: what the documents are, in the files that others read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from planner.documents import InputError, Spec, pretty_json, validate
from planner.documents.schema import PUBLISHED, json_schema
from planner.survey.spec_syntax import parse_text
from tests.planner.documents.test_findings import BAD, GOOD

ROOT = Path(__file__).parents[3]
SPECS = sorted(path for folder in ("plans", "tests/plans") for path in (ROOT / folder).glob("**/spec.*"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_file_says_what_the_document_is(name: str) -> None:
    """When it does not: adapt schema --all schemas."""
    assert (ROOT / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8") == pretty_json(json_schema(name))


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_is_valid_2020_12(name: str) -> None:
    schema = json_schema(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_worked_example_is_a_valid_spec(path: Path) -> None:
    values = parse_text(path.read_text(encoding="utf-8"), path.name)
    assert not list(Draft202012Validator(json_schema("spec")).iter_errors(values))
    validate(Spec, values, code="SPEC")


@pytest.mark.parametrize("name", [name for name in BAD if name != "a number that JSON cannot say"])
def test_what_the_document_refuses_the_schema_refuses_too(name: str) -> None:
    data = GOOD | BAD[name][0]
    if name in ("nothing is there", "a list is missing"):
        data = BAD[name][0]
    with pytest.raises(InputError):
        validate(Spec, data, code="SPEC")
    assert not Draft202012Validator(json_schema("spec")).is_valid(json.loads(json.dumps(data)))
