"""Runs the command line: in this process for its words, in another one for its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from adapt.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from adapt.cli import main; main()"]


class Said(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def adapt(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """`adapt` in this process."""

    def run(*arguments: str | Path) -> Said:
        words = [str(each) for each in arguments]
        monkeypatch.setattr(sys, "argv", ["adapt", *words])
        with pytest.raises(SystemExit) as left:
            main(words)
        said = capfd.readouterr()
        assert isinstance(left.value.code, int)
        return Said(left.value.code, said.out, said.err)

    return run


def process(*arguments: str | Path, folder: Path = ROOT) -> Said:
    """`adapt` in a process of its own."""
    words = [str(each) for each in arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [*COMMAND, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return Said(run.returncode, run.stdout, run.stderr)
