"""DeepSpeed shares out what one process holds; it is installed nowhere here: `python -m bench.check_deepspeed`."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from tests.executors.encoders import label_rows
from tests.executors.tiny import tiny_rows
from tests.executors.train.spread import ONE, TWO, attempt_of, carried_out, losses, start, weights
from tests.executors.train.test_sharding import LONG, rank_of, wait_for_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import StepResult

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed"),
]

CASES: dict[str, dict[str, Any]] = {
    "lora": {"method": "lora"},
    "full": {"method": "full"},
    "head": {"objective": "classification-head", "learning_rate": 0.01},
}


def attempt(folder: Path, model: Path, case: str, **changes: Any) -> Any:
    rows = label_rows if case == "head" else tiny_rows
    return attempt_of(folder, model, rows=rows, **CASES[case] | changes)


@pytest.fixture(scope="module")
def alone(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, StepResult]]:
    """What one process leaves without DeepSpeed."""
    found = {}
    for case in CASES:
        folder = tmp_path_factory.mktemp(case)
        found[case] = (folder, carried_out(attempt(folder, tiny_model, case, **ONE)))
    return found


@pytest.mark.parametrize(
    ("distribution", "offload", "case"),
    [
        ("zero-2", "none", "lora"),
        ("zero-2", "optimizer", "full"),
        ("zero-2", "none", "head"),
        ("zero-3", "none", "lora"),
        ("zero-3", "parameters", "full"),
        ("zero-3", "none", "head"),
        ("offload", "optimizer", "lora"),
    ],
)
def test_it_learns_what_one_process_does(
    alone: dict[str, tuple[Path, StepResult]],
    distribution: str,
    offload: str,
    case: str,
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    shape = ONE if distribution == "offload" else TWO
    spread = shape | {"distribution": distribution, "offload": offload}
    result = carried_out(attempt(tmp_path, tiny_model, case, **spread))
    assert result.error is None, result.error
    folder, one = alone[case]
    first, second = losses(folder), losses(tmp_path)
    assert second.losses == pytest.approx(first.losses, abs=1e-3)
    assert [loss for _, loss in second.evaluations] == pytest.approx([at for _, at in first.evaluations], abs=1e-3)
    assert second.tokens == first.tokens
    expected, found = weights(folder, one), weights(tmp_path, result)
    assert expected.keys() == found.keys()
    assert max(float((expected[name] - found[name]).abs().max()) for name in expected) < 1e-3


@pytest.mark.parametrize(
    ("distribution", "offload", "method"),
    [
        ("zero-2", "none", "lora"),
        ("zero-2", "optimizer", "lora"),
        ("zero-3", "none", "lora"),
        ("zero-3", "parameters", "full"),
        ("offload", "parameters", "lora"),
    ],
)
def test_a_killed_training_goes_on_and_leaves_the_same_weights(
    distribution: str, offload: str, method: str, tiny_model: Path, tmp_path: Path
) -> None:
    shape = ONE if distribution == "offload" else TWO
    changes = shape | LONG | {"distribution": distribution, "offload": offload, "method": method}
    if method == "full":
        del changes["dropout"]
    (tmp_path / "calm").mkdir()
    calm = carried_out(attempt_of(tmp_path / "calm", tiny_model, **changes))
    assert calm.error is None, calm.error
    folder = tmp_path / "killed"
    first = attempt_of(folder, tiny_model, **changes)
    with start(first) as process:
        wait_for_checkpoint(folder)
        rank_of(first, shape.get("devices", 1) - 1).kill()
        process.wait(timeout=60)
    again = carried_out(attempt_of(folder, tiny_model, 2, **changes))
    assert again.error is None, again.error
    assert int(str(again.notes["resumed_from"])) > 0
    assert again.artifacts == calm.artifacts
