"""Every objective in two processes over gloo: the curve of one process at the same effective batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.executors.tiny import make_tiny_model
from tests.executors.train.spread import ONE, ROOT
from tests.executors.train.spread_jobs import CASES, FOUND, SPREAD, job_of, outcome_of

if TYPE_CHECKING:
    from pathlib import Path

# peft asks transformers by a name that is on its way out.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing")]

LAUNCH = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with a teacher beside it."""
    folder = tmp_path_factory.mktemp("models")
    make_tiny_model(folder / "teacher", seed=3)
    return make_tiny_model(folder / "model")


@pytest.fixture(scope="module")
def alone(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What one process finds."""
    folder = tmp_path_factory.mktemp("alone")
    return {case: outcome_of(job_of(case, folder / case, model, **ONE)) for case in CASES}


@pytest.fixture(scope="module")
def together(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes leave what they find."""
    folder = tmp_path_factory.mktemp("together")
    command = [sys.executable, *LAUNCH, "-m", "tests.executors.train.spread_jobs", str(folder), str(model)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.mark.parametrize(("distribution", "case"), SPREAD)
def test_two_processes_learn_what_one_does(
    distribution: str, case: str, alone: dict[str, dict[str, Any]], together: Path
) -> None:
    one, two = alone[case], json.loads((together / distribution / case / FOUND).read_text(encoding="utf-8"))
    assert two["notes"]["processes"] == 2
    assert two["notes"]["share_prefix"] is bool(CASES[case].get("share_prefix"))
    assert one["tokens"] == two["tokens"]
    assert len(one["losses"]) == len(two["losses"]) > 0
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-3)
    assert [at for _, at in two["evaluations"]] == pytest.approx([at for _, at in one["evaluations"]], abs=1e-3)
    assert two["metrics"] == pytest.approx(one["metrics"], abs=1e-3)
