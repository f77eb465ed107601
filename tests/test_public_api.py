"""`import adapt`: what is promised to who embeds the planner."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING

import pytest

import adapt
from tests.planner.specs import DECLARED

if TYPE_CHECKING:
    from pathlib import Path


def test_everything_that_is_promised_is_there_and_described() -> None:
    assert adapt.__all__ == sorted(adapt.__all__)
    for name in adapt.__all__:
        assert inspect.getdoc(getattr(adapt, name)), name


def test_a_plan_is_made_saved_and_loaded(tmp_path: Path) -> None:
    document = adapt.plan(DECLARED)
    adapt.save(document, tmp_path / "plan.json")
    assert adapt.load(tmp_path / "plan.json") == document
    assert adapt.load(str(tmp_path / "plan.json")) == document
    first = (tmp_path / "plan.json").read_bytes()
    adapt.save(adapt.plan(DECLARED), tmp_path / "plan.json")
    assert (tmp_path / "plan.json").read_bytes() == first


def test_a_spec_may_be_a_file_its_values_or_a_document(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(DECLARED), encoding="utf-8")
    assert adapt.plan(path) == adapt.plan(str(path)) == adapt.plan(DECLARED) == adapt.plan(adapt.plan(DECLARED).spec)


@pytest.mark.parametrize("given", ["file", "values", "document"])
def test_the_folder_says_where_paths_start(given: str, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    rows = "".join(json.dumps({"prompt": f"p {i}", "completion": "bug"}) + "\n" for i in range(3))
    (tmp_path / "rows" / "train.jsonl").write_text(rows, encoding="utf-8")
    values = DECLARED | {"data": {"train": "rows/train.jsonl"}}
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "spec.json").write_text(json.dumps(values), encoding="utf-8")
    sources = {
        "file": tmp_path / "elsewhere" / "spec.json",
        "values": values,
        "document": adapt.Spec.model_validate_json(json.dumps(values)),
    }
    document = adapt.plan(sources[given], folder=tmp_path)  # type: ignore[arg-type]
    assert {fact.name: fact.value for fact in document.facts}["train_rows"] == 3


def test_configurations_are_reviewed_without_raising_for_what_they_hold(tmp_path: Path) -> None:
    rate = "base_model: Qwen/Qwen2.5-7B\nadapter: lora\nlora_r: 16\nmicro_batch_size: 8\nlearning_rate: 1e-6\n"
    (tmp_path / "train.yml").write_text(rate, encoding="utf-8")
    (tmp_path / "broken.yml").write_text("a: [1", encoding="utf-8")
    result = adapt.review([tmp_path / "train.yml", str(tmp_path / "broken.yml")], hardware="a10g", data=5000)
    assert isinstance(result, adapt.Findings)
    assert [file.tool for file in result.files] == ["axolotl"]
    assert {"RHY102", "CONF021"} <= {finding.code for finding in result.at_least("warning")}
    assert adapt.review([tmp_path], hardware="a10g", data={"train": 5000}) == result
    with pytest.raises(adapt.InputError):
        adapt.review([tmp_path / "train.yml"], hardware="a10gg")


def test_one_error_catches_them_all() -> None:
    for kind in (adapt.InputError, adapt.LockedError, adapt.RunError):
        assert issubclass(kind, adapt.AdaptError)
    with pytest.raises(adapt.AdaptError) as caught:
        adapt.plan({"task": {}})
    assert all(isinstance(finding, adapt.Finding) for finding in caught.value.findings)
    assert len(caught.value.findings) == 2
