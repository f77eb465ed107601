"""The GitHub action and the pre-commit hook call the command as it is, and never hide what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapt.cli.review import command

ROOT = Path(__file__).parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
OPTIONS = {name for option in command.params for name in option.opts if name.startswith("--")}


def review_step() -> dict[str, Any]:
    (step,) = [step for step in ACTION["runs"]["steps"] if step.get("id") == "review"]
    return dict(step)


def run_step(folder: Path, code: int, **inputs: str) -> tuple[int, list[str]]:
    """The review step with a stand-in for `adapt` that notes its arguments and leaves with a code."""
    (folder / "bin").mkdir()
    stand_in = folder / "bin" / "adapt"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> "{folder}/calls"\nexit {code}\n', encoding="utf-8")
    stand_in.chmod(0o755)
    given = {name.upper().replace("-", "_"): str(row.get("default", "")) for name, row in ACTION["inputs"].items()}
    environment = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        **given,
        **inputs,
    }
    words = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", review_step()["run"]]
    done = subprocess.run(words, cwd=folder, env=environment, check=False, timeout=60)
    return done.returncode, (folder / "calls").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("code", [0, 2, 3])
def test_the_step_leaves_with_the_exit_code_of_the_review(code: int, tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    for name in ("a.yaml", "b c.yaml"):
        (tmp_path / "configs" / name).touch()
    left, calls = run_step(tmp_path, code, FILES="configs/**/*.yaml", HARDWARE="a10g", FAIL_ON="warning")
    assert left == code
    assert len(calls) == 3
    assert all(call.endswith("-- configs/a.yaml configs/b c.yaml") for call in calls)
    assert all("--fail-on warning --hardware a10g" in call for call in calls)
    assert "--format sarif --out adapt-review.sarif" in calls[1]
    assert (tmp_path / "output").read_text(encoding="utf-8") == "sarif=adapt-review.sarif\n"


def test_the_step_uses_options_that_the_command_has() -> None:
    assert set(re.findall(r"--[a-z-]+", review_step()["run"])) - {"--"} <= OPTIONS


def test_what_a_pull_request_can_name_reaches_the_shell_as_variables_only() -> None:
    assert set(review_step()["env"].values()) == {f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]}
    assert not [step for step in ACTION["runs"]["steps"] if "${{" in step.get("run", "")]


def test_the_hook_calls_the_command_with_options_that_it_has() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    words = hook["entry"].split()
    assert (hook["id"], hook["language"], words[:2]) == ("adapt-review", "python", ["adapt", "review"])
    assert {word for word in words if word.startswith("--")} <= OPTIONS
    assert set(hook["types_or"]) == {"yaml", "json"}
