"""A split of one file: the same every time, whatever the order, and no prompt in two parts."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import InputError
from planner.drafting import Split, split_rows

if TYPE_CHECKING:
    from pathlib import Path


def split(folder: Path, rows: list[dict[str, Any]]) -> Split:
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return split_rows(path)


def pairs(count: int) -> list[dict[str, Any]]:
    return [{"id": number, "prompt": f"Prompt {number}", "completion": f"answer {number}"} for number in range(count)]


def prompts(rows: list[dict[str, Any]]) -> set[str]:
    return {row["prompt"].casefold() for row in rows}


def test_a_tenth_is_set_aside_for_each_and_no_row_is_lost(tmp_path: Path) -> None:
    parts = split(tmp_path, pairs(200))
    assert [len(part) for part in parts] == [160, 20, 20]
    assert sorted(row["id"] for part in parts for row in part) == list(range(200))


def test_rows_with_one_prompt_stay_together(tmp_path: Path) -> None:
    rows = [*pairs(100), *({**row, "prompt": f"  {row['prompt'].upper()} "} for row in pairs(100))]
    train, validation, test = split(tmp_path, rows)
    parts = [{" ".join(prompt.split()) for prompt in prompts(part)} for part in (train, validation, test)]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert len(train) + len(validation) + len(test) == 200


def test_the_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    rows = pairs(100)
    before = split(tmp_path, rows)
    random.Random(4).shuffle(rows)  # noqa: S311 - nothing secret
    after = split(tmp_path, rows)
    assert [prompts(part) for part in before] == [prompts(part) for part in after]


@pytest.mark.parametrize("rows", [pairs(9), pairs(1) * 50])
def test_too_few_prompts_are_refused(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too few"):
        split(tmp_path, rows)
