"""`adapt export` and `adapt report` as their users meet them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from planner.documents import pretty_json
from tests.executors.export.cases import training_sources
from tests.executors.export.runs import finished_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(pretty_json(training_sources(tmp_path, "lora", prompt_loss_weight=0.1).plan.to_json()))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("run") / "one", "one")


def test_an_export_tells_what_it_cannot_say_and_how_to_start(plan: Path, tmp_path: Path, adapt: Callable) -> None:
    said = adapt("export", plan, "--to", "trl", "--out", tmp_path / "trl")
    assert said.code == 0
    assert "The prompt's tokens weigh 0.1" in said.out
    assert "trl sft --config trl.yaml" in said.out
    assert yaml.safe_load((tmp_path / "trl" / "trl.yaml").read_text())["lora_r"] == 16


def test_an_export_as_json_is_the_document_in_the_folder(plan: Path, tmp_path: Path, adapt: Callable) -> None:
    said = adapt("export", plan, "--to", "axolotl", "--out", tmp_path / "a", "--json")
    assert json.loads(said.out) == json.loads((tmp_path / "a" / "export.json").read_text())
    assert said.err == ""


def test_a_folder_that_is_there_is_refused(plan: Path, tmp_path: Path, adapt: Callable) -> None:
    adapt("export", plan, "--to", "trl", "--out", tmp_path / "out")
    said = adapt("export", plan, "--to", "unsloth", "--out", tmp_path / "out")
    assert said.code == 2
    assert "--replace" in said.err
    assert adapt("export", plan, "--to", "unsloth", "--out", tmp_path / "out", "--replace").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--to", "trl"), "is not there|cannot be read"),
        (("--to", "vllm"), "is not there|cannot be read"),
    ],
)
def test_a_plan_that_is_not_there_is_refused(
    tmp_path: Path, adapt: Callable, words: tuple[str, str], told: str
) -> None:
    import re

    said = adapt("export", tmp_path / "none.json", *words, "--out", tmp_path / "out")
    assert said.code == 2
    assert re.search(told, said.err)
    assert not (tmp_path / "out").exists()


def test_a_result_of_a_plan_that_was_not_run_is_refused(plan: Path, tmp_path: Path, adapt: Callable) -> None:
    said = adapt("export", plan, "--to", "merged", "--out", tmp_path / "out")
    assert said.code == 2
    assert "adapt run PLAN" in said.err


def test_several_plans_are_for_servers_of_adapters(plan: Path, tmp_path: Path, adapt: Callable) -> None:
    said = adapt("export", plan, plan, "--to", "trl", "--out", tmp_path / "out")
    assert said.code == 2
    assert "one by one" in said.err


@pytest.mark.slow
def test_a_result_is_found_by_its_plan_and_by_its_folder(run: Path, tmp_path: Path, adapt: Callable) -> None:
    for name, source in (("plan", run), ("state", run.parent / ".adapt")):
        said = adapt("export", source, "--to", "card", "--out", tmp_path / name)
        assert said.code == 0
        assert (tmp_path / name / "README.md").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "markdown", "html", "json"])
def test_a_report_is_told_in_four_forms(run: Path, tmp_path: Path, adapt: Callable, form: str) -> None:
    said = adapt("report", run, "--format", form, *(("--out", tmp_path / "r") if form == "html" else ()))
    text = (tmp_path / "r").read_text() if form == "html" else said.out
    assert said.code == 0
    assert "finetune" in text
    if form == "json":
        assert json.loads(text)["report"]["name"] == "one"


def test_a_report_of_nothing_is_refused(plan: Path, tmp_path: Path, adapt: Callable) -> None:
    for words, told in (((plan,), "has not been run"), ((tmp_path / "none",), "is not there")):
        said = adapt("report", *words)
        assert said.code == 2
        assert told in said.err


@pytest.mark.slow
def test_a_report_is_not_written_where_no_folder_is(run: Path, tmp_path: Path, adapt: Callable) -> None:
    said = adapt("report", run, "--format", "html", "--out", tmp_path / "none" / "r.html")
    assert said.code == 2
    assert "is not there" in said.err
