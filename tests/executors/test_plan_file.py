from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from executors.plan_file import read_plan
from planner.documents import InputError, plan_digest
from tests.executors.plans import make_plan, save, write_step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def edited(folder: Path, edit: Callable[[dict[str, Any]], object], *, signed: bool = False) -> Path:
    raw = make_plan(write_step("a/one")).to_json()
    edit(raw)
    if signed:
        raw["digest"] = plan_digest(raw)
    path = folder / "plan.json"
    path.write_text(json.dumps(raw))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_plan(path)
    return str(caught.value)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = make_plan(write_step("a/one"))
    assert read_plan(save(plan, tmp_path)) == plan


def test_a_plan_edited_by_hand_is_refused_with_both_digests(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda raw: raw["steps"][0]["params"].update(text="other"))
    said = refusal(path)
    raw = json.loads(path.read_text())
    assert "edited by hand" in said
    assert raw["digest"] in said
    assert plan_digest(raw) in said


def test_prose_may_be_edited(tmp_path: Path) -> None:
    assert read_plan(edited(tmp_path, lambda raw: raw["steps"][0].update(title="Better"))).steps[0].title == "Better"


def test_names_of_a_newer_minor_version_are_ignored_but_digested(tmp_path: Path) -> None:
    assert read_plan(edited(tmp_path, lambda raw: raw.update(novelty=1), signed=True)).name == "test"
    assert "edited by hand" in refusal(edited(tmp_path, lambda raw: raw.update(novelty=1)))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda raw: raw.update(format="adapt.plan/2"), "has the format adapt.plan/2; this version reads adapt.plan/1"),
        (lambda raw: raw.update(format="adapt.spec/1"), "its format is 'adapt.spec/1'"),
        (lambda raw: raw.pop("format"), "its format is None"),
        (lambda raw: raw.update(must_understand=["steps", "time-travel"]), "does not know time-travel"),
        (lambda raw: raw["steps"][0].update(outputs="text"), '`outputs` is "text"'),
    ],
)
def test_what_cannot_be_understood_is_refused(tmp_path: Path, edit: Callable[[Any], object], message: str) -> None:
    assert message in refusal(edited(tmp_path, edit, signed=True))


@pytest.mark.parametrize(
    ("content", "message"), [(b"{", "is not JSON"), (b"[]", "not a JSON object"), (b"\xff", "not UTF-8")]
)
def test_what_is_no_plan_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    assert message in refusal(tmp_path / "plan.json")
    assert "cannot be read" in refusal(tmp_path / "none.json")
