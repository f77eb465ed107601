"""The examples run as they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FAULTY = "tests/review_corpus/faulty/axolotl--helpdesk-qlora.yml"
CLEAN = "tests/review_corpus/clean/axolotl--helpdesk-qlora.yml"


def example(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "examples/review_in_code.py", *arguments]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert run.stderr == ""
    return run.returncode, run.stdout


def test_the_example_of_a_review_prints_tool_memory_and_findings() -> None:
    code, said = example(FAULTY)
    assert code > 0
    assert f"{FAULTY} is of axolotl, " in said
    assert "GB expected" in said
    assert "warning RDA106" in said


def test_the_example_of_a_review_is_content_with_a_clean_file() -> None:
    code, said = example(CLEAN)
    assert code == 0
    assert "warning" not in said
    assert "is of axolotl" in said


def test_the_example_is_short_enough_to_be_copied() -> None:
    lines = (ROOT / "examples" / "review_in_code.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.strip()]) <= 20
