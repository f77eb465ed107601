"""Rows that stand in a role which cannot use them are sent to the one that can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from planner.survey.data_files import look_at_data
from tests.planner.survey.conftest import spec_of, write_rows

if TYPE_CHECKING:
    from pathlib import Path

PAIR = {"prompt": "hi", "completion": "hello"}


def test_requests_that_a_teacher_answers_need_no_answers(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [{"prompt": "hi"}, {"prompt": "and?"}])
    for models, told in (([], 1), ([{"id": "gpt2-large", "role": "teacher"}], 0)):
        asked = spec_of(data={"train": "rows.jsonl"}, models=[{"id": "gpt2"}, *models])
        assert sum(finding.code == "DATA025" for finding in look_at_data(asked, tmp_path)[1]) == told


@pytest.mark.parametrize(
    ("role", "row", "task", "said"),
    [
        ("train", PAIR | {"label": True}, {}, "judge single answers, and `train` names pairs"),
        ("train", {"prompt": "hi", "chosen": "hello", "rejected": "no"}, {}, "Name the file as `data.preferences`"),
        ("train", {"text": "once upon a time"}, {}, "Name the file as `data.documents`; or set `task.infilling`"),
        ("train", {"text": "once upon a time"}, {"infilling": True}, ""),
        ("train", PAIR, {}, ""),
        ("preferences", PAIR, {}, "compare no answers, and judge none. Give each a `chosen`"),
        ("preferences", {"prompt": "hi", "chosen": "hello", "rejected": "no"}, {}, ""),
        ("documents", {"text": "once upon a time"}, {}, ""),
    ],
)
def test_rows_belong_to_a_role(role: str, row: dict[str, Any], task: dict[str, Any], said: str, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [row])
    asked = {"description": "d", **task}
    _, findings = look_at_data(spec_of(task=asked, data={role: "rows.jsonl"}), tmp_path)
    told = [str(finding) for finding in findings if finding.severity == "error"]
    assert (said in told[0]) if said else not told
