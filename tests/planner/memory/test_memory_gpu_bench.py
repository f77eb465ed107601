"""The measuring script's logic, with a device that is made up."""

from __future__ import annotations

import importlib.util
import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "bench" / "memory_gpu.py"


@pytest.fixture(scope="module")
def bench() -> Any:
    specification = importlib.util.spec_from_file_location("memory_gpu", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_grid_has_every_method_with_and_without_checkpointing(bench: Any) -> None:
    cases = list(bench.grid(quantized=True))
    trained = [case for case in cases if case.phase == "train"]
    ways = {(case.fields["method"], case.fields["precision"], case.fields["checkpointing"]) for case in trained}
    assert len(ways) == 8
    assert {case.model for case in cases} == set(bench.MODELS)
    assert any(case.phase == "generate" for case in cases)
    assert not any(case.fields.get("method") == "qlora" for case in bench.grid(quantized=False))


def test_measured_is_compared_with_expected(bench: Any) -> None:
    cases = list(bench.grid(quantized=True))[:10]

    def measure(case: Any) -> Any:
        ours = bench.expected(case)
        return bench.Peak(int(ours["allocated_bytes"][1] / 1.01), ours["reserved_bytes"][1], 0.5)

    result = bench.measure_all(cases, measure, budget_s=60, clock=count().__next__)
    assert result["summary"]["cases"] == 10
    assert result["summary"]["median_error"] == pytest.approx(0.01, abs=1e-4)
    assert result["summary"]["inside"] == 10
    assert result["left_out"] == []
    assert len(bench.table(result["rows"]).splitlines()) == 11


def test_what_fails_or_comes_too_late_is_listed(bench: Any) -> None:
    cases = list(bench.grid(quantized=False))[:6]

    def measure(case: Any) -> Any:
        if case.fields["checkpointing"]:
            raise MemoryError("no room\nmore")
        return bench.Peak(10**9, 10**9, 0.1)

    result = bench.measure_all(cases, measure, budget_s=3, clock=count().__next__)
    whys = [case["why"] for case in result["left_out"]]
    assert whys == [
        "MemoryError: no room",
        "MemoryError: no room",
        "no time was left",
        "no time was left",
        "no time was left",
    ]


def test_without_a_device_one_sentence_says_so(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "machine", lambda: None)
    assert bench.main(["--date", "2026-01-01"]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_results_name_device_versions_and_date(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "machine", lambda: {"device": "made up", "bitsandbytes": "not installed"})
    monkeypatch.setattr(bench, "on_device", lambda _: bench.Peak(10**9, 10**9, 0.1))
    out = tmp_path / "results" / "made_up.json"
    assert bench.main(["--date", "2026-01-01", "--out", str(out)]) == 0
    content = json.loads(out.read_text(encoding="utf-8"))
    assert (content["date"], content["machine"]["device"]) == ("2026-01-01", "made up")
    assert len(content["rows"]) == len(list(bench.grid(quantized=False)))
    assert "SmolLM2-135M" in capsys.readouterr().out
