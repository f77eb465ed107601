"""A baseline knows findings by file, code, place and value; lines may move, values may not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import Finding, Findings, InputError, ReviewedFile, Setting, Where, pretty_json
from planner.review.baseline import Baseline, apply_baseline, new_baseline, read_baseline

if TYPE_CHECKING:
    from pathlib import Path

Place = tuple[str, str | None, int | None]


def review_of(file: Path, *at: Place, rank: int = 256) -> Findings:
    """A review of one file: findings by code, pointer and line."""
    name = str(file)
    findings = tuple(
        Finding(code=code, severity="warning", message="m", where=Where(file=name, pointer=pointer, line=line))
        for code, pointer, line in at
    )
    setting = Setting(value=rank, name="lora_r", where=Where(file=name, pointer="/lora_r"))
    read = ReviewedFile(file=name, tool="axolotl", recognised_by=("base_model",), settings={"rank": setting})
    return Findings(files=(read,), findings=findings)


def codes(result: Findings) -> list[str]:
    return [finding.code for finding in result.findings]


@pytest.fixture
def train(tmp_path: Path) -> Path:
    file = tmp_path / "configs" / "train.yml"
    file.parent.mkdir()
    file.write_text("lora_r: 256\n", encoding="utf-8")
    return file


def test_what_is_known_is_set_aside_also_when_its_line_moved(tmp_path: Path, train: Path) -> None:
    path = tmp_path / "baseline.json"
    known = new_baseline(review_of(train, ("REV901", "/lora_r", 3), ("REV902", None, None)), path)
    result = apply_baseline(review_of(train, ("REV901", "/lora_r", 9), ("REV902", None, None)), known, path)
    assert codes(result) == []
    assert [(item.finding.code, item.by) for item in result.suppressed] == [
        ("REV902", "baseline"),
        ("REV901", "baseline"),
    ]


def test_a_new_finding_and_a_changed_value_count(tmp_path: Path, train: Path) -> None:
    path = tmp_path / "baseline.json"
    known = new_baseline(review_of(train, ("REV901", "/lora_r", 3)), path)
    worse = apply_baseline(review_of(train, ("REV901", "/lora_r", 3), rank=512), known, path)
    assert codes(worse) == ["BAS001", "REV901"]
    more = apply_baseline(review_of(train, ("REV901", "/lora_r", 3), ("REV903", "/lora_r", 3)), known, path)
    assert codes(more) == ["REV903"]


def test_of_two_findings_that_look_the_same_both_are_known_and_a_third_is_new(tmp_path: Path, train: Path) -> None:
    path = tmp_path / "baseline.json"
    place: Place = ("REV901", None, None)
    known = new_baseline(review_of(train, place, place), path)
    assert codes(apply_baseline(review_of(train, place, place), known, path)) == []
    assert codes(apply_baseline(review_of(train, place, place, place), known, path)) == ["REV901"]


def test_what_is_known_and_gone_is_told(tmp_path: Path, train: Path) -> None:
    path = tmp_path / "baseline.json"
    known = new_baseline(review_of(train, ("REV901", "/lora_r", 3)), path)
    (note,) = apply_baseline(review_of(train), known, path).findings
    assert (note.code, note.severity) == ("BAS001", "note")
    assert "REV901 at configs/train.yml /lora_r" in note.message


def test_nothing_is_said_of_files_that_were_not_reviewed_as_long_as_they_exist(tmp_path: Path, train: Path) -> None:
    path = tmp_path / "baseline.json"
    known = new_baseline(review_of(train, ("REV901", "/lora_r", 3)), path)
    other = review_of(tmp_path / "other.yml")
    assert codes(apply_baseline(other, known, path)) == []
    train.unlink()
    assert codes(apply_baseline(other, known, path)) == ["BAS001"]


def test_the_way_a_path_is_written_does_not_matter(
    tmp_path: Path, train: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "baseline.json"
    known = new_baseline(review_of(train, ("REV901", "/lora_r", 3)), path)
    monkeypatch.chdir(train.parent)
    from pathlib import Path as Plain

    relative = Plain("../configs/train.yml")
    assert codes(apply_baseline(review_of(relative, ("REV901", "/lora_r", 3)), known, path)) == []


def test_a_baseline_written_anew_keeps_reasons_and_what_it_knows_of_other_files(tmp_path: Path, train: Path) -> None:
    path = tmp_path / "baseline.json"
    first = new_baseline(review_of(train, ("REV901", "/lora_r", 3), ("REV902", None, 1)), path)
    told = Baseline(known=tuple(item.model_copy(update={"reason": "until spring"}) for item in first.known))
    other = tmp_path / "other.yml"
    other.write_text("a: 1\n", encoding="utf-8")
    both = new_baseline(review_of(other, ("REV903", None, 1)), path, told)
    assert [(item.code, item.reason) for item in both.known] == [
        ("REV901", "until spring"),
        ("REV902", "until spring"),
        ("REV903", ""),
    ]
    fewer = new_baseline(review_of(train, ("REV901", "/lora_r", 30)), path, both)
    assert [(item.code, item.reason) for item in fewer.known] == [("REV901", "until spring"), ("REV903", "")]


def test_writing_a_baseline_while_one_is_applied_forgets_nothing(tmp_path: Path, train: Path) -> None:
    path = tmp_path / "baseline.json"
    before = review_of(train, ("REV901", "/lora_r", 3), ("REV902", None, 1))
    known = new_baseline(before, path)
    assert new_baseline(apply_baseline(before, known, path), path, known) == known


def test_the_same_review_gives_the_same_bytes_in_every_order(tmp_path: Path, train: Path) -> None:
    path = tmp_path / "baseline.json"
    at: list[Place] = [("REV902", None, 1), ("REV901", "/lora_r", 3), ("REV901", "/a", 2)]
    one = pretty_json(new_baseline(review_of(train, *at), path).to_json())
    two = pretty_json(new_baseline(review_of(train, *reversed(at)), path).to_json())
    assert one == two
    assert '"line"' not in one


def test_a_file_that_could_not_be_read_is_never_known(tmp_path: Path, train: Path) -> None:
    broken = Finding(code="CONF021", severity="error", message="m", where=Where(file=str(tmp_path / "broken.yml")))
    result = review_of(train).model_copy(update={"findings": (broken,)})
    assert new_baseline(result, tmp_path / "baseline.json").known == ()


BAD: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "not valid JSON"),
    "a list": ("[]", "not a baseline"),
    "another document": (json.dumps({"format": "adapt.plan/1"}), "'adapt.plan/1'"),
    "an entry without a code": (
        json.dumps({"format": "adapt.baseline/1", "known": [{"fingerprint": "x", "file": "y"}]}),
        "`code` is missing",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_baseline_is_one_clear_sentence(name: str, tmp_path: Path) -> None:
    content, words = BAD[name]
    path = tmp_path / "baseline.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_baseline(path)
    (finding,) = caught.value.findings
    assert words in finding.message
    assert finding.where.file == str(path)


def test_what_is_written_is_read_back(tmp_path: Path, train: Path) -> None:
    path = tmp_path / "baseline.json"
    known = new_baseline(review_of(train, ("REV901", "/lora_r", 3)), path)
    path.write_text(pretty_json(known.to_json()), encoding="utf-8")
    assert read_baseline(path) == known
