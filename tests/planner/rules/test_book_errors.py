"""A rule book with a mistake is refused, with the file, the rule and the column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from planner.documents import InputError
from planner.facts import FACTS, Fact
from planner.rules import compile_books, core_book, plan_table, review_table, user_book
from planner.rules import table as table_module
from planner.rules.reading import read_user_book
from tests.planner.rules.books import HEAD, decision, problems, rule

if TYPE_CHECKING:
    from pathlib import Path

CHOICE = decision("choice")
# The book, the place of the finding, and words that its text must hold.
BAD: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "an unknown fact": (
        CHOICE + rule(1, '{ sise = "> 3" }'),
        "/rule/TST001/when/sise",
        ("TST001", "`sise`", "Did you mean `size`?"),
    ),
    "a fact of another type": (
        CHOICE + rule(1, "{ size = true }"),
        "/rule/TST001/when/size",
        ("column `size`", "number", "`true`"),
    ),
    "a cell that is no comparison": (
        CHOICE + rule(1, '{ size = "3 or 4" }'),
        "/rule/TST001/when/size",
        ("column `size`", "not one comparison"),
    ),
    "an unknown threshold in a cell": (
        CHOICE + rule(1, '{ size = "> $limt" }'),
        "/rule/TST001/when/size",
        ("column `size`", "no threshold $limt"),
    ),
    "an unknown threshold as the answer": (
        decision("choice", '"any"') + rule(1, "{ ready = true }", 'answer = "$gone"'),
        "/rule/TST001",
        ("no threshold `$gone`",),
    ),
    "an unknown fact as the answer": (
        decision("choice", '"any"') + rule(1, "{ ready = true }", 'answer = "@sizee"'),
        "/rule/TST001",
        ("no fact `@sizee`", "Did you mean `size`?"),
    ),
    "an unknown answer": (
        CHOICE + rule(1, "{ ready = true }", 'answer = "d"'),
        "/rule/TST001",
        ("`d` is no answer to choice", "Allowed: a, b, c"),
    ),
    "an unknown answer that is vetoed": (
        CHOICE + rule(1, "{ ready = true }", 'vetoes = ["x"]'),
        "/rule/TST001",
        ("`x` is no answer to choice",),
    ),
    "neither an answer nor a veto": (CHOICE + rule(1, "{ ready = true }", ""), "/rule/TST001", ("either", "vetoes")),
    "an unknown decision": (
        CHOICE + rule(1, "{ ready = true }", decides="chioce"),
        "/rule/TST001",
        ("no decision `chioce`", "Did you mean `choice`?"),
    ),
    "a word that a decision never answers": (
        CHOICE + decision("next") + rule(1, '{ choice = "in [a, d]" }', decides="next"),
        "/rule/TST001/when/choice",
        ("column `choice`", "`d` is no answer"),
    ),
    "two rows of a unique decision that can both match": (
        decision("choice", more='policy = "unique"')
        + rule(1, '{ size = "> 3" }')
        + rule(2, '{ size = "<= 4", ready = true }', 'answer = "b"'),
        "/rule/TST001",
        ("TST002", "both match"),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_told_with_its_rule_and_its_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, pointer, words = BAD[name]
    [finding] = problems(tmp_path, monkeypatch, text)
    assert finding.where.pointer == pointer
    assert finding.where.file == str(tmp_path / "book.toml")
    said = f"{finding.message} {finding.fix}"
    for word in words:
        assert word in said


def test_every_mistake_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = CHOICE + rule(1, "{ sise = 3, size = true }", 'answer = "d"') + rule(2, '{ ready = "5..1" }')
    assert len(problems(tmp_path, monkeypatch, text)) == 4


def test_rows_of_a_unique_decision_may_not_overlap_but_may_touch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.planner.rules.books import table

    unique = decision("choice", more='policy = "unique"')
    rules = rule(1, '{ size = "> 3" }') + rule(2, '{ size = "<= 3" }', 'answer = "b"')
    assert len(table(tmp_path, monkeypatch, unique, rules).rows["choice"]) == 2


def test_decisions_that_wait_for_each_other_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        decision("one")
        + decision("two")
        + rule(1, '{ two = "a" }', decides="one")
        + rule(2, '{ one = "a" }', decides="two")
    )
    [finding] = problems(tmp_path, monkeypatch, text)
    assert finding.code == "BOOK008"
    assert "one" in finding.message
    assert "two" in finding.message


def test_an_id_stands_once_in_a_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [finding] = problems(tmp_path, monkeypatch, CHOICE + rule(1, "{ ready = true }") + rule(1, "{ ready = false }"))
    assert finding.code == "BOOK005"
    assert "TST001" in finding.message
    assert finding.where.file == str(tmp_path / "book.toml")


def user(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def test_an_id_of_the_core_cannot_be_taken(tmp_path: Path) -> None:
    taken = rule(1, "{ closed_labels = true }", decides="approach", answer='answer = "prompt"').replace(
        "TST001", "APP110"
    )
    with pytest.raises(InputError, match="APP110 is taken by the book `core`"):
        compile_books((user_book(user(tmp_path, taken)), core_book()))


def test_only_a_rule_that_is_there_can_be_switched_off(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="disables rule APP999, which is in no book"):
        compile_books((user_book(user(tmp_path, '[[disable]]\nid = "APP999"\nreason = "x"\n')), core_book()))
    with pytest.raises(InputError, match="reason"):
        user_book(user(tmp_path, '[[disable]]\nid = "APP110"\n'))


def test_a_rule_that_is_switched_off_does_not_take_part(tmp_path: Path) -> None:
    book = user_book(user(tmp_path, '[[disable]]\nid = "APP110"\nreason = "we never prompt"\n'))
    rules = [row.rule.id for row in compile_books((book, core_book())).rows["approach"]]
    assert "APP110" not in rules
    assert "APP112" in rules


def test_a_threshold_of_the_core_is_changed_only_with_a_reason(tmp_path: Path) -> None:
    text = '[threshold.systematic_prompts]\nvalue = 9\nunit = "prompts"\nwhy = "We try more."\n'
    with pytest.raises(InputError) as caught:
        user_book(user(tmp_path, text))
    [finding] = caught.value.findings
    assert (finding.code, finding.where.pointer) == ("BOOK006", "/threshold/systematic_prompts")
    book = user_book(user(tmp_path, text + 'reason = "our prompts are short"\n'))
    assert compile_books((book, core_book())).thresholds["systematic_prompts"] == 9


def test_a_file_that_is_not_toml_is_told_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not TOML.*line 3"):
        user_book(user(tmp_path, "rule = 3 3\n"))
    with pytest.raises(InputError, match="does not exist"):
        user_book(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes(b'book = "\xe9"')
    with pytest.raises(InputError, match="is not UTF-8: byte 0xe9 in line 1"):
        user_book(tmp_path / "latin.toml")


def test_every_field_that_is_wrong_is_told(tmp_path: Path) -> None:
    text = '[[rule]]\nid = "wrong"\nnam = "x"\n[threshold.x]\nvalue = nan\nunit = "u"\nwhy = ""\n'
    with pytest.raises(InputError) as caught:
        user_book(user(tmp_path, text))
    pointers = {finding.where.pointer for finding in caught.value.findings}
    assert {"/rule/0/id", "/rule/0/nam", "/rule/0/why", "/threshold/x/value", "/threshold/x/why"} <= pointers


def test_a_rule_looks_only_at_what_its_table_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fact = Fact("loss_scale", lambda configuration: configuration, ("configuration",), frozenset(), "number", "", ())
    monkeypatch.setattr(table_module, "FACTS", {**FACTS, "loss_scale": fact})
    text = rule(1, '{ loss_scale = "> 3" }', decides="approach", answer='answer = "prompt"')
    book, _, _ = read_user_book(user(tmp_path, text))
    with pytest.raises(InputError, match="`loss_scale`: it looks at the configuration, which a decision on `approach`"):
        plan_table([book])


def test_a_rule_of_no_decision_is_told_by_the_plan_and_is_no_matter_of_a_review(tmp_path: Path) -> None:
    book, _, _ = read_user_book(user(tmp_path, rule(1, "{ closed_labels = true }", decides="aproach")))
    with pytest.raises(InputError, match="no decision `aproach`"):
        plan_table([book])
    assert "aproach" not in review_table([book]).rows
