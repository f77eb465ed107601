"""`adapt diff`: text, Markdown and JSON of a difference, and its exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def plans(adapt: Callable, write: Callable, tmp_path: Path) -> tuple[Path, Path]:
    """Two plans: before and after a pin."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    assert adapt("plan", write(), "--out", old).code == 0
    assert adapt("plan", write(overrides={"rank": 64}), "--out", new).code == 0
    return old, new


def test_the_text_says_what_changed_and_why(adapt: Callable, plans: tuple[Path, Path]) -> None:
    said = adapt("diff", *plans)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("tickets: ")
    assert "rank: 16 -> 64" in said.out
    assert "because the spec pins it" in said.out
    assert "params/rank: 16 -> 64" in said.out


def test_equal_plans_are_one_sentence(adapt: Callable, plans: tuple[Path, Path]) -> None:
    said = adapt("diff", plans[0], plans[0], "--exit-code")
    assert (said.code, said.out) == (0, "tickets: Nothing changed that matters.\n")


def test_json_is_one_document(adapt: Callable, plans: tuple[Path, Path]) -> None:
    found = json.loads(adapt("diff", *plans, "--json").out)
    assert found["format"] == "adapt.difference/1"
    assert "rank" in [item["question"] for item in found["decisions"]]
    assert adapt("diff", *plans, "--format", "json").out == adapt("diff", *plans, "--json").out


def test_markdown_is_a_table_of_decisions(adapt: Callable, plans: tuple[Path, Path]) -> None:
    said = adapt("diff", *plans, "--format", "markdown").out
    assert "| rank | 16 | 64 | because the spec pins it" in said
    widths = {line.count("|") - 2 * line.count("\\|") for line in said.splitlines() if line.startswith("|")}
    assert widths == {5}


def test_exit_code_3_only_when_asked_for(adapt: Callable, plans: tuple[Path, Path]) -> None:
    assert adapt("diff", *plans).code == 0
    assert adapt("diff", *plans, "--exit-code").code == 3


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '{"format": "adapt.plan/9"}'])
def test_what_is_no_plan_is_exit_code_2(
    adapt: Callable, plans: tuple[Path, Path], tmp_path: Path, content: str | None
) -> None:
    other = tmp_path / "other.json"
    if content is not None:
        other.write_text(content, encoding="utf-8")
    said = adapt("diff", plans[0], other)
    assert (said.code, said.out) == (2, "")
    assert "other.json" in said.err
