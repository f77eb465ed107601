"""A folder stands for the configurations below it; a file that was named is never passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from planner.documents import Finding, Findings, Where
from planner.review.folders import files_in, without_unknown

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.yml",
        "a/c.YAML",
        "a/d.json",
        "e.toml",
        "notes.txt",
        ".hidden.yml",
        ".git/config.yaml",
        "z.py",
        "node_modules/x.json",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_a_folder_stands_for_its_configurations_in_order(folder: Path) -> None:
    files, from_folders = files_in([folder])
    assert [file.relative_to(folder).as_posix() for file in files] == ["b.yml", "e.toml", "a/c.YAML", "a/d.json"]
    assert from_folders == {str(file) for file in files}


def test_a_file_is_taken_once_and_as_named_whatever_its_suffix(folder: Path) -> None:
    files, from_folders = files_in([folder / "notes.txt", folder / "b.yml", folder])
    assert [file.name for file in files] == ["notes.txt", "b.yml", "e.toml", "c.YAML", "d.json"]
    assert str(folder / "b.yml") not in from_folders


def test_only_files_that_may_be_of_no_tool_are_passed_over() -> None:
    findings = tuple(
        Finding(code=code, severity="error", message="m", where=Where(file=file))
        for code, file in (("CONF030", "a.yml"), ("CONF030", "b.yml"), ("CONF021", "a2.yml"))
    )
    result, skipped = without_unknown(Findings(findings=findings), {"a.yml"})
    assert skipped == ("a.yml",)
    assert [finding.where.file for finding in result.findings] == ["b.yml", "a2.yml"]
    result, skipped = without_unknown(Findings(findings=findings), None)
    assert skipped == ("a.yml", "b.yml")
    assert [finding.code for finding in result.findings] == ["CONF021"]
