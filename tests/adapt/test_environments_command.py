"""`adapt environments`: what is there, what makes it, and that a run asks for it first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from planner.documents import GPTQMODEL, LLM_COMPRESSOR, Pin, fingerprint
from tests.executors.plans import make_plan, save, write_step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPT_ENVIRONMENTS", str(tmp_path / "environments"))


def test_the_list_tells_pins_folder_and_command(adapt: Callable, tmp_path: Path) -> None:
    said = adapt("environments", "list")
    assert said.code == 0
    assert f"gptqmodel: not made; would lie in {tmp_path}/environments/{GPTQMODEL.folder}" in said.out
    assert "  To make it: adapt environments make llm-compressor" in said.out
    rows = json.loads(adapt("environments", "list", "--json").out)["environments"]
    assert [(row["name"], row["made"]) for row in rows] == [("gptqmodel", False), ("llm-compressor", False)]
    assert rows[1]["installs"] == [" ".join(words) for words in LLM_COMPRESSOR.installs]


def test_what_is_made_says_so(adapt: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "environments" / GPTQMODEL.folder
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    assert "gptqmodel: not made" in adapt("environments", "list").out, "half of it"
    (folder / "ready.json").write_text("{}", encoding="utf-8")
    assert f"gptqmodel: made, in {folder}" in adapt("environments", "list").out
    rows = {
        row["name"]: row for row in json.loads(adapt("doctor", "--json").out)["rows"] if row["kind"] == "environment"
    }
    assert (rows["gptqmodel"]["state"], rows["llm-compressor"]["state"]) == ("ok", "not made")
    assert rows["llm-compressor"]["fix"] == "adapt environments make llm-compressor"
    assert adapt("environments", "make", "gptqmodel").out == f"gptqmodel is made, in {folder}.\n"


def test_a_name_that_nobody_uses_is_bad_input(adapt: Callable) -> None:
    said = adapt("environments", "make", "gptqmodl")
    assert said.code == 2
    assert "Did you mean `gptqmodel`?" in said.err


def test_a_run_without_its_environment_stops_with_the_command(adapt: Callable, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    pins = {"model/base": Pin(kind="model", path="model", digest=fingerprint(tmp_path / "model")[0])}
    params = {"method": "fp8-weight", "bits": 8, "group": None, "calibration_rows": None, "calibration_tokens": None}
    step = write_step(
        "quantize/fp8-weight",
        executor="quantize",
        version="2",
        environment=LLM_COMPRESSOR,
        params={**params, "kv_cache": "16-bit", "seed": 0},
        inputs={"model": {"pin": "model/base"}},
        outputs=("model", "answers"),
    )
    said = adapt("run", save(make_plan(step, pins=pins), tmp_path))
    assert said.code == 2
    assert "adapt environments make llm-compressor" in said.err
    assert not (tmp_path / ".adapt").exists()
