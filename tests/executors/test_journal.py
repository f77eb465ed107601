from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executors.journal import Journal, last_started, read_journal
from planner.documents import Event, InputError

if TYPE_CHECKING:
    from pathlib import Path


def filled(path: Path, *kinds: str) -> Path:
    with Journal(path) as journal:
        for number, kind in enumerate(kinds):
            journal.append(Event.model_validate({"kind": kind, "time": float(number), "step": "a/b", "attempt": 1}))
    return path


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    path = filled(tmp_path / "run" / "journal.jsonl", "run-started", "step-started")
    filled(path, "step-done")
    assert [event.kind for event in read_journal(path)] == ["run-started", "step-started", "step-done"]
    assert list(read_journal(tmp_path / "none")) == []


def test_a_line_cut_by_a_kill_at_any_byte_is_left_out_and_removed(tmp_path: Path) -> None:
    path = filled(tmp_path / "journal.jsonl", "run-started", "step-started")
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        path.write_bytes(whole[:cut])
        assert [event.kind for event in read_journal(path)] == ["run-started"]
        filled(path, "run-done")
        assert [event.kind for event in read_journal(path)] == ["run-started", "run-done"]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = filled(tmp_path / "journal.jsonl", "run-started")
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(InputError, match="Line 1 of the journal"):
        list(read_journal(path))


def test_the_step_at_which_a_run_broke_off_is_known(tmp_path: Path) -> None:
    path = filled(tmp_path / "journal.jsonl", "run-started", "step-started", "gate")
    assert last_started(path) is not None
    filled(path, "step-done", "run-done")
    assert last_started(path) is None
