"""adapt explain, why-not and flips: one structure, told as text, Markdown and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.planner.explanation.plans import small_card

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.adapt.commands import Said

    Adapt = Callable[..., Said]


@pytest.fixture
def planned(adapt: Adapt, tmp_path: Path) -> Path:
    """The file of a plan whose card is small."""
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(small_card()), encoding="utf-8")
    assert adapt("plan", path).code == 0
    return tmp_path / "plan.json"


def test_explain_without_a_question_is_one_page(adapt: Adapt, planned: Path) -> None:
    said = adapt("explain", planned)
    assert said.code == 0
    assert said.out.startswith("tickets: finetune\n")
    for word in ("What to do", "How to train", "Ruled out", "GB of 25.8 GB", "If every rung runs"):
        assert word in said.out
    assert len(said.out.splitlines()) < 90


def test_explain_with_a_question_tells_answer_because_numbers_and_source_in_this_order(
    adapt: Adapt, planned: Path
) -> None:
    said = adapt("explain", planned, "method")
    order = ["method: qlora", "because", "Looked at", "Source", "Not chosen", "Steps that follow"]
    places = [said.out.index(word) for word in order]
    assert places == sorted(places)
    assert "adapt why-not" in said.out or "must be" in said.out


def test_explain_all_tells_every_decision(adapt: Adapt, planned: Path) -> None:
    document = json.loads(planned.read_text(encoding="utf-8"))
    said = adapt("explain", planned, "--all", "--format", "markdown")
    for decision in document["decisions"]:
        assert f"## {decision['question']}: " in said.out


def test_why_not_tells_what_forbids_the_answer_and_by_how_much(adapt: Adapt, planned: Path) -> None:
    said = adapt("why-not", planned, "method=full")
    assert said.code == 0
    assert said.out.startswith("method: why not full? It is qlora\n")
    for word in ("full is forbidden", "GB too much", "What would have to change", "A pin would be refused"):
        assert word in said.out


def test_flips_tells_the_nearest_change_of_an_input(adapt: Adapt, planned: Path) -> None:
    said = adapt("flips", planned, "--lever", "hardware.memory_gb", "--decision", "method")
    assert said.code == 0
    assert "hardware.memory_gb" in said.out
    assert "GB and more (now 24 GB): method lora instead of qlora" in said.out
    assert "data.train" not in said.out


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("explain", "method"), "adapt.explanation/1"),
        (("explain",), "adapt.explanation/1"),
        (("why-not", "method=full"), "adapt.why-not/1"),
        (("flips", "--lever", "hardware"), "adapt.flips/1"),
    ],
)
def test_every_answer_comes_as_json_and_as_markdown(
    adapt: Adapt, planned: Path, words: tuple[str, ...], name: str
) -> None:
    command, *rest = words
    short, long = adapt(command, planned, *rest, "--json"), adapt(command, planned, *rest, "--format", "json")
    assert short.out == long.out
    found = json.loads(short.out)
    assert found["format"] == name
    assert found["plan"] == json.loads(planned.read_text(encoding="utf-8"))["digest"]
    page = adapt(command, planned, *rest, "--format", "markdown")
    assert page.code == 0
    assert page.out.startswith("#")
    assert page.out.endswith("\n")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("explain", "metod"), "Did you mean `method`?"),
        (("why-not", "method"), "not of the form QUESTION=ANSWER"),
        (("why-not", "method=lorra"), "Did you mean `lora`?"),
        (("why-not", "metod=lora"), "Did you mean `method`?"),
        (("flips", "--lever", "hardware.memory"), "Did you mean `hardware.memory_gb`?"),
        (("flips", "--decision", "metod"), "Did you mean `method`?"),
    ],
)
def test_what_is_not_there_is_one_finding_with_a_near_name(
    adapt: Adapt, planned: Path, words: tuple[str, ...], hint: str
) -> None:
    command, *rest = words
    said = adapt(command, planned, *rest)
    assert said.code == 2
    assert said.out == ""
    assert hint in said.err


def test_flips_refuses_a_plan_that_does_not_record_what_was_found(
    adapt: Adapt, planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import adapt as library

    older = library.load(planned).model_copy(update={"surveyed": {}})
    monkeypatch.setattr(library, "load", lambda _: older)
    said = adapt("flips", planned)
    assert said.code == 2
    assert "an older planner wrote it" in said.err


@pytest.mark.parametrize("command", ["explain", "why-not", "flips"])
def test_the_help_has_examples_and_formats(adapt: Adapt, command: str) -> None:
    said = adapt(command, "--help")
    for word in ("Examples:", f"adapt {command} plan.json", "--format", "--json"):
        assert word in said.out


def test_a_table_in_markdown_has_as_many_cells_in_every_row(adapt: Adapt, planned: Path) -> None:
    lines = adapt("explain", planned, "--format", "markdown").out.splitlines()
    tables: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("|"):
            tables[-1].append(line)
        elif tables[-1]:
            tables.append([])
    assert sum(map(len, tables)) > 8
    for table in tables:
        assert len({_cells(row) for row in table}) <= 1


def _cells(row: str) -> int:
    return row.replace("\\|", "").count("|")


def test_json_of_a_plan_is_the_record_of_its_numbers(adapt: Adapt, planned: Path) -> None:
    found: dict[str, Any] = json.loads(adapt("why-not", planned, "method=full", "--json").out)
    number = found["vetoes"][0]["groups"][0][0]
    assert number["ratio"] > 1
    assert number["difference"] > 0
