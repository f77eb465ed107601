from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executors.train import checkpoints
from executors.train.ranks import Ranks

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, step: int, content: str = "weights") -> Path:
    with checkpoints.writing(folder, step, Ranks()) as target:
        (target / "model").write_text(content, encoding="utf-8")
        (target / "state").write_text("state", encoding="utf-8")
    return checkpoints.at(folder, step)


def test_a_whole_checkpoint_verifies(tmp_path: Path) -> None:
    assert checkpoints.verified(write(tmp_path, 3))


@pytest.mark.parametrize("fault", ["changed", "missing", "no manifest", "bad manifest"])
def test_a_damaged_checkpoint_does_not_verify(tmp_path: Path, fault: str) -> None:
    checkpoint = write(tmp_path, 3)
    if fault == "changed":
        (checkpoint / "model").write_text("weighty", encoding="utf-8")
    elif fault == "missing":
        (checkpoint / "state").unlink()
    elif fault == "no manifest":
        (checkpoint / checkpoints.MANIFEST).unlink()
    else:
        (checkpoint / checkpoints.MANIFEST).write_text("[1", encoding="utf-8")
    assert not checkpoints.verified(checkpoint)


def test_a_killed_write_leaves_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), checkpoints.writing(tmp_path, 4, Ranks()) as target:
        (target / "model").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt
    assert checkpoints.steps(tmp_path) == []
    checkpoints.clear(tmp_path, after=0)
    assert list(tmp_path.iterdir()) == []


def test_the_newest_two_and_the_best_are_kept(tmp_path: Path) -> None:
    for step in (2, 10, 9, 30):
        write(tmp_path, step)
    checkpoints.rotate(tmp_path, best=2)
    assert checkpoints.steps(tmp_path) == [30, 10, 2]


def test_checkpoints_after_the_one_that_verifies_are_cleared(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        write(tmp_path, step)
    checkpoints.clear(tmp_path, after=4)
    assert checkpoints.steps(tmp_path) == [4, 2]
