"""`adapt rules`: the catalogue read, the user's books checked, tested, copied and used."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from adapt.render.rules_markdown import rules_markdown
from planner.explanation.pages import catalogue
from planner.rules import core_book, review_book
from tests.adapt.commands import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGES = catalogue()
# The book that the documentation shows.
SHOWN = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "rule-books.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    assert SHOWN is not None
    path = tmp_path / "house.toml"
    path.write_text(SHOWN[1], encoding="utf-8")
    return path


def test_the_list_counts_by_family_and_names_every_rule(adapt: Callable) -> None:
    said = adapt("rules", "list")
    assert said.code == 0
    total = len(core_book().rules) + len(review_book().rules)
    assert said.out.startswith(f"{total} rules of ")
    for id_ in PAGES.rules:
        assert f"\n{id_} " in said.out


def test_the_list_can_be_cut_to_a_family_or_a_decision(adapt: Callable) -> None:
    found = json.loads(adapt("rules", "list", "--family", "met", "--json").out)["rules"]
    assert found
    assert all(rule["id"].startswith("MET") for rule in found)
    found = json.loads(adapt("rules", "list", "--decision", "retrieval", "--json").out)["rules"]
    assert {rule["decides"] for rule in found} == {"retrieval"}
    assert len(found) == sum(rule.decides == "retrieval" for rule in core_book().rules)
    assert adapt("rules", "list", "--family", "met").out.startswith(
        f"{len(PAGES.decisions['method'].rules)} rules of 1 "
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["list", "--family", "ZZZ"], "There are: "),
        (["list", "--decision", "methd"], "Did you mean `method`?"),
        (["show", "memory_share_limt"], "Did you mean `memory_share_limit`?"),
        (["show", "met10"], "Did you mean `met1"),
        (["copy", "train_row"], "No rule, threshold or decision"),
        (["copy", "MET101", "--to", "/nowhere/x.toml"], "The folder /nowhere is not there"),
        (["check", "gone.toml"], "does not exist"),
    ],
)
def test_a_wrong_name_is_bad_input(words: list[str], told: str, adapt: Callable) -> None:
    said = adapt("rules", *words)
    assert said.code == 2
    assert told in said.err
    assert not said.out


@pytest.mark.parametrize(
    "name", ["MET101", "MET001", "WRN101", "memory_share_limit", "method", "findings", "train_rows"]
)
def test_a_page_says_what_why_and_where_from(name: str, adapt: Callable) -> None:
    said = adapt("rules", "show", name)
    assert said.code == 0
    page = PAGES.find(name)
    assert page is not None
    for key in page.cite:
        assert f"[{key}]" in re.sub(r"\s+", " ", said.out)
    shown = json.loads(adapt("rules", "show", name, "--json").out)
    assert shown == page.to_json()


def test_a_rule_page_has_its_conditions_in_words_its_examples_and_the_facts_that_it_reads(adapt: Callable) -> None:
    rule = PAGES.rules["MET101"]
    said = re.sub(r"\s+", " ", adapt("rules", "show", "met101").out)
    for text in (rule.name, rule.why, *rule.reads, *rule.thresholds, "does not hold"):
        assert text in said
    for row in rule.conditions:
        for condition in row:
            assert condition in said
    assert "($memory_share_limit)" in said


def test_every_page_can_be_shown() -> None:
    from rich.console import Console

    from adapt.render.rules import paper

    console = Console(width=100, record=True, file=None, quiet=True)
    for name in PAGES.names():
        page = PAGES.find(name)
        assert page is not None
        console.print(paper(page))
    assert len(PAGES.names()) > 200


def test_the_book_of_the_documentation_is_fine(house: Path, adapt: Callable) -> None:
    said = adapt("rules", "check", house)
    assert (said.code, said.err) == (0, "")
    assert said.out.rstrip().endswith(
        "house 3: 2 rules, 2 thresholds, 1 decision, 1 default, 1 reference, 1 rule switched off; fine."
    )
    assert adapt("rules", "test", house).out.startswith("4 of 4 examples of 2 rules come out")
    shown = json.loads(adapt("rules", "show", "HSE101", "--rules", house, "--json").out)
    assert shown["cite"]["house-bench"].startswith("Our measurements on support tickets")


def test_a_bad_book_is_told_line_by_line(house: Path, adapt: Callable) -> None:
    text = house.read_text(encoding="utf-8").replace('decides = "approach"', 'decides = "aproach"')
    house.write_text(text.replace("train_rows = 300", "train_rows = 900"), encoding="utf-8")
    said = adapt("rules", "check", house)
    assert said.code == 2
    assert "no decision `aproach`. Did you mean `approach`?" in said.err
    assert re.search(r"house.toml:\d+ ", said.err)
    found = json.loads(adapt("rules", "check", house, "--json").err)["findings"]
    assert all(item["where"]["line"] for item in found)


def test_an_example_that_does_not_come_out_fails_the_test(house: Path, adapt: Callable) -> None:
    text = house.read_text(encoding="utf-8").replace("train_rows = 300", "train_rows = 900")
    house.write_text(text, encoding="utf-8")
    said = adapt("rules", "test", house)
    assert said.code == 1
    assert said.out.startswith("3 of 4 examples of 2 rules come out")
    assert "HSE101: example 1 says that the rule holds" in said.err
    assert json.loads(adapt("rules", "test", house, "--json").out)["failed"][0]["code"] == "BOOK014"


def test_the_examples_of_the_books_that_ship_come_out(adapt: Callable) -> None:
    said = adapt("rules", "test")
    total = sum(len(rule.examples) for book in (core_book(), review_book()) for rule in book.rules)
    assert said.code == 0
    assert said.out.startswith(f"{total} of {total} examples of ")


def test_a_copy_goes_into_a_file_and_is_printed_without_one(tmp_path: Path, adapt: Callable) -> None:
    said = adapt("rules", "copy", "MET101")
    assert (said.code, said.err) == (0, "")
    path = tmp_path / "mine.toml"
    assert adapt("rules", "copy", "MET101", "--to", path).code == 0
    assert path.read_text(encoding="utf-8") == said.out
    assert adapt("rules", "copy", "MET101", "--to", path).code == 2
    assert path.read_text(encoding="utf-8") == said.out
    path.write_text(said.out.replace('reason = ""', 'reason = "x"'), encoding="utf-8")
    assert adapt("rules", "check", path).code == 0


def test_a_plan_uses_the_book_and_names_it(house: Path, write: Callable, adapt: Callable) -> None:
    spec = write(data__train={"examples": 300, "mean_tokens": 200, "quality": "curated"})
    before = json.loads(adapt("plan", spec, "--json").out)
    said = adapt("plan", spec, "--rules", house, "--json")
    assert (said.code, said.err) == (0, "")
    plan = json.loads(said.out)
    answers = {item["question"]: item for item in plan["decisions"]}
    assert "approval" in answers
    assert answers["approach"]["answer"] == "few-shot"
    assert (answers["approach"]["tier"], answers["approach"]["rule"]) == ("user", "HSE101")
    assert plan["spec"]["rule_books"] == ["house.toml"]
    [own, core] = plan["rule_books"]
    assert (own["name"], own["version"], core["name"]) == ("house", "3", "core")
    assert "rule APP110 is switched off: our prompts are explored elsewhere" in own["changes"]
    assert list(own["references"]) == ["house-bench"]
    assert before["digest"] != plan["digest"]
    assert "approval" not in {item["question"] for item in before["decisions"]}


def test_a_plan_with_rules_can_be_made_again_from_its_own_spec(
    house: Path, write: Callable, tmp_path: Path, adapt: Callable
) -> None:
    spec = write()
    (tmp_path / "rules").mkdir()
    moved = house.rename(tmp_path / "rules" / "house.toml")
    first = adapt("plan", spec, "--rules", moved, "--json").out
    again = tmp_path / "again.json"
    again.write_text(json.dumps(json.loads(first)["spec"]), encoding="utf-8")
    second = json.loads(adapt("plan", again, "--json").out)
    assert second["rule_books"] == json.loads(first)["rule_books"]
    assert second["decisions"] == json.loads(first)["decisions"]


def test_rules_of_the_option_go_before_those_of_the_spec(
    house: Path, write: Callable, tmp_path: Path, adapt: Callable
) -> None:
    (tmp_path / "team.toml").write_text('book = "team"\nversion = "1"\n', encoding="utf-8")
    spec = write(rule_books=["team.toml", "house.toml"])
    plan = json.loads(adapt("plan", spec, "--rules", house, "--json").out)
    assert plan["spec"]["rule_books"] == ["house.toml", "team.toml"]
    assert [book["name"] for book in plan["rule_books"]] == ["house", "team", "core"]


def test_a_plan_with_a_bad_book_is_refused(house: Path, write: Callable, adapt: Callable) -> None:
    house.write_text(house.read_text(encoding="utf-8").replace("reason =", "reson ="), encoding="utf-8")
    spec = write()
    said = adapt("plan", spec, "--rules", house)
    assert said.code == 2
    assert "`reson` is not a known key. Did you mean `reason`?" in said.err
    assert not (spec.parent / "plan.json").exists()


def test_the_page_of_all_rules_is_that_of_the_books() -> None:
    """`make goldens` writes it."""
    assert (ROOT / "docs" / "rules.md").read_text(encoding="utf-8") == rules_markdown(PAGES)


def test_the_page_of_all_rules_names_everything_and_links_to_what_is_there() -> None:
    text = rules_markdown(PAGES)
    for id_ in PAGES.rules:
        assert text.count(f"- **{id_}** ") == 1
    for name in (*PAGES.thresholds, *PAGES.facts):
        assert f"\n| `{name}` | " in text
    headings = {line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings
    cited = {key for page in (*PAGES.rules.values(), *PAGES.facts.values()) for key in page.cite}
    for key in cited:
        assert text.count(f"\n- **{key}**: ") == 1
