"""Every command: help with an example, answers on standard output, exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from adapt.cli.doctor import FINE
from adapt.cli.main import COMMANDS, Commands, cli
from adapt.cli.schema import NAMES
from tests.adapt.commands import ROOT, process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_an_example_and_says_what_it_does(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert f"\n    adapt {name}" in result.output
    for line in result.output.splitlines():
        assert len(line) <= 100, line
    short = CliRunner().invoke(cli, [name, "-h"])
    assert short.output == result.output


def test_every_option_says_what_it_does() -> None:
    import click

    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (name, parameter.name)


def test_the_help_lists_the_commands_in_the_order_of_their_use() -> None:
    said = CliRunner().invoke(cli, ["--help"]).output
    listed = said[said.index("\nCommands:") :]
    places = [listed.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)
    assert "Exit codes: 0 done; 1 failed; 2 bad input; 3 findings" in " ".join(said.split())


@pytest.mark.parametrize("words", [["nothing"], ["plan"], ["plan", "a", "--no-such"], ["schema", "spek"], ["schema"]])
def test_a_command_that_is_not_understood_is_exit_code_2(words: list[str], adapt: Callable) -> None:
    said = adapt(*words)
    assert said.code == 2
    assert said.err.startswith("Usage")


def test_the_version_is_told(adapt: Callable) -> None:
    said = adapt("--version")
    assert said.code == 0
    assert said.out.startswith("adapt, version ")


@pytest.mark.parametrize("name", NAMES)
def test_schema_prints_the_published_file(name: str, adapt: Callable) -> None:
    said = adapt("schema", name)
    assert said.out == (ROOT / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8")


def test_schema_writes_them_all(adapt: Callable, tmp_path: Path) -> None:
    assert adapt("schema", "--all", tmp_path / "new").code == 0
    written = {path.name for path in (tmp_path / "new").iterdir()}
    assert written == {f"{name}.schema.json" for name in NAMES}
    assert written == {path.name for path in (ROOT / "schemas").iterdir()}, "none is left of a document that is no more"


def test_models_are_listed_and_searched(adapt: Callable) -> None:
    said = adapt("models", "SmolLM2-135M", "--json")
    found = json.loads(said.out)["models"]
    assert all("smollm2-135m" in model["id"].lower() for model in found)
    assert found
    assert "SmolLM2-135M" in adapt("models", "smollm2").out
    assert "No model's id has" in adapt("models", "no-such-model").err


def test_hardware_shows_this_machine_a_device_and_the_list(adapt: Callable) -> None:
    assert json.loads(adapt("hardware", "--json").out)["source"] == "probed"
    assert "main memory" in adapt("hardware").out
    record = json.loads(adapt("hardware", "8xh100", "--json").out)
    assert record["devices"][0]["count"] == 8
    assert len(json.loads(adapt("hardware", "--list", "--json").out)["devices"]) >= 40
    assert "h100" in adapt("hardware", "--list").out
    assert adapt("hardware", "h10000").code == 2


def test_doctor_lists_libraries_executors_and_places(adapt: Callable) -> None:
    said = adapt("doctor", "--json")
    rows = json.loads(said.out)["rows"]
    assert {row["kind"] for row in rows} == {"python", "library", "executor", "place", "environment"}
    assert said.code == (3 if any(row["state"] not in FINE for row in rows) else 0)


def test_explain_says_why_with_numbers_and_sources(adapt: Callable, write: Callable) -> None:
    path = write()
    adapt("plan", path)
    plan = path.parent / "plan.json"
    said = adapt("explain", plan, "method", "learning_rate")
    text = " ".join(said.out.split())
    assert said.code == 0
    assert "method: lora" in text
    assert "because LoRA fits" in text
    for word in ("Looked at", "Not chosen", "Source", "GB of", "[hu-2021-lora]"):
        assert word in text
    assert "approach:" not in text
    every = adapt("explain", plan, "--all").out
    assert every.count("because") >= len(json.loads(plan.read_text(encoding="utf-8"))["decisions"])


def test_explain_of_a_question_that_the_plan_does_not_decide(adapt: Callable, write: Callable) -> None:
    path = write()
    adapt("plan", path)
    said = adapt("explain", path.parent / "plan.json", "methd")
    assert (said.code, said.out) == (2, "")
    assert "decides nothing called `methd`. Did you mean `method`?" in " ".join(said.err.split())


def test_explain_as_json_is_the_record(adapt: Callable, write: Callable) -> None:
    path = write()
    adapt("plan", path)
    said = adapt("explain", path.parent / "plan.json", "approach", "--json")
    [decision] = json.loads(said.out)["decisions"]
    assert decision["question"] == "approach"
    assert decision["sources"]
    assert all(item["needs"] for item in decision["rejected"])


def test_status_of_a_plan_that_was_not_run(adapt: Callable, write: Callable) -> None:
    path = write()
    adapt("plan", path)
    said = adapt("status", path.parent / "plan.json")
    assert said.code == 2
    assert "has not been run" in said.err


def test_a_fault_of_the_program_is_one_sentence_unless_it_is_looked_for(
    adapt: Callable, write: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr("adapt.plan", broken)
    said = adapt("plan", write())
    assert said.code == 1
    assert "adapt has a fault of its own (KeyError: 'lost')" in said.err
    assert "ADAPT_DEBUG=1" in said.err


def test_the_command_works_from_any_folder_with_a_space(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    (folder / "spec.yaml").write_text(
        "task: {description: Sort}\nmodels: [{id: gpt2}]\nhardware: a10g\n", encoding="utf-8"
    )
    said = process("plan", "spec.yaml", folder=folder)
    assert said.code == 0, said.err
    assert (folder / "plan.json").is_file()


def test_an_interrupt_that_a_library_wrapped_is_an_interrupt(adapt: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrapped(*_: object) -> None:
        raise TypeError("a class could not be built") from KeyboardInterrupt()

    monkeypatch.setattr(Commands, "get_command", wrapped)
    said = adapt("models")
    assert (said.code, said.err.strip()) == (130, "Interrupted; the same command goes on from here.")
