"""The sources of a merge: adapters and models on this machine, of the catalog, or known by name alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import InputError, Spec, validate
from planner.survey import normalise, survey
from tests.planner.specs_after_training import merging

if TYPE_CHECKING:
    from pathlib import Path

    from planner.survey import Survey


def surveyed(folder: Path, *found: dict[str, Any]) -> Survey:
    document, _ = normalise(validate(Spec, merging(list(found)), code="SPEC"), folder)
    return survey(document, folder)


def adapter(folder: Path, name: str, **values: Any) -> None:
    (folder / name).mkdir()
    (folder / name / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 32, **values}))


def test_an_adapter_is_known_by_its_files(tmp_path: Path) -> None:
    adapter(tmp_path, "skill", base_model_name_or_path="meta-llama/Llama-3.1-8B")
    [source] = surveyed(tmp_path, {"id": "skill", "path": "skill"}).merge_sources
    assert (source.kind, source.rank, source.base, source.pin) == ("adapter", 32, "meta-llama/Llama-3.1-8B", "skill")
    assert source.shape is not None
    assert source.shape.params == 8_030_261_248


def test_an_adapter_of_another_base_than_the_spec_says_is_warned_of(tmp_path: Path) -> None:
    adapter(tmp_path, "skill", base_model_name_or_path="somebody/other-7b")
    found = surveyed(tmp_path, {"id": "skill", "path": "skill", "base": "b7"})
    [finding] = [item for item in found.findings if item.code == "MODEL040"]
    assert "somebody/other-7b" in finding.message
    assert finding.where.pointer == "/merge/sources/0/path"
    copy = surveyed(tmp_path, {"id": "skill", "path": "skill", "base": "copies/other-7b"})
    assert not [item for item in copy.findings if item.code == "MODEL040"], "a local copy of the base is that base"


def test_a_source_of_the_catalog_or_of_the_specs_models_is_known(tmp_path: Path) -> None:
    llama, own = surveyed(tmp_path, {"id": "meta-llama/Llama-3.1-8B"}, {"id": "b7"}).merge_sources
    assert llama.licence == "Llama 3.1 Community"
    assert (own.kind, own.shape and own.shape.params) == ("model", 7_000_000_000)


def test_a_source_known_by_name_alone_is_taken_as_it_is(tmp_path: Path) -> None:
    [source] = surveyed(tmp_path, {"id": "skill-a", "base": "b7"}).merge_sources
    assert (source.model, source.kind) == (None, None)
    assert source.shape is not None, "its base tells the shape"


def test_a_path_that_leads_nowhere_is_an_error_at_its_place(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        surveyed(tmp_path, {"id": "a", "base": "b7"}, {"id": "b", "path": "nowhere"})
    assert [item.where.pointer for item in caught.value.findings] == ["/merge/sources/1/path"]


def test_a_broken_adapter_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "skill").mkdir()
    (tmp_path / "skill" / "adapter_config.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        surveyed(tmp_path, {"id": "skill", "path": "skill"})
