"""One change of a clean configuration makes a fault, and the review sees it in the words of every tool."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import adapt
from tests.review_corpus.corpus import CODES, FOLDER

if TYPE_CHECKING:
    from pathlib import Path

CHANGES: list[dict[str, Any]] = tomllib.loads((FOLDER / "changes.toml").read_text(encoding="utf-8"))["change"]


def changed(change: dict[str, Any], folder: Path) -> Path:
    """The clean configuration with its change."""
    source = FOLDER / "clean" / change["base"]
    values = yaml.safe_load(source.read_text(encoding="utf-8")) | change.get("set", {})
    values = {key: value for key, value in values.items() if key not in change.get("without", ())}
    target = folder / source.name
    text = json.dumps(values) if source.suffix == ".json" else yaml.safe_dump(values, sort_keys=False)
    target.write_text(text, encoding="utf-8")
    return target


@pytest.mark.parametrize("change", CHANGES, ids=[f"{each['fault']}-{n}" for n, each in enumerate(CHANGES, start=1)])
def test_one_change_that_makes_a_fault_is_found(change: dict[str, Any], tmp_path: Path) -> None:
    file = changed(change, tmp_path)
    result = adapt.review([file], hardware=change.get("hardware"), data=change.get("examples"))
    found = {finding.code for finding in result.at_least("warning")}
    assert found & set(CODES[change["fault"]]), [str(finding) for finding in result.findings]


def test_the_changes_cover_the_faults_that_other_tools_can_have() -> None:
    assert len(CHANGES) >= 80
    own = {"concatenation", "merged-tenants", "quantized-unmeasured", "licence"}
    assert set(CODES) - {change["fault"] for change in CHANGES} == own
