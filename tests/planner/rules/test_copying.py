"""A copy of a rule, threshold or default is the valid start of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from planner.documents import InputError
from planner.rules import core_book, review_book, user_book
from planner.rules.checks import learn_review_facts
from planner.rules.copying import copied

if TYPE_CHECKING:
    from pathlib import Path

    from planner.rules import Book

learn_review_facts()
IDS = sorted(rule.id for book in (core_book(), review_book()) for rule in book.rules)
THRESHOLDS = sorted({*core_book().thresholds, *review_book().thresholds})


def filled(text: str) -> str:
    """The copy with its reasons given."""
    assert 'reason = ""' in text
    return text.replace('reason = ""', 'reason = "we measured it"')


def user_book_of(folder: Path, *names: str) -> Book:
    """The book that holds copies of these, with their reasons given."""
    path = folder / "house.toml"
    for name in names:
        path.write_text(filled(copied(name, path)), encoding="utf-8")
    return user_book(path)


@pytest.mark.parametrize("name", ["MET101", "MET001", "WRN101"])
def test_a_copied_rule_says_what_the_old_one_says(name: str, tmp_path: Path) -> None:
    book = user_book_of(tmp_path, name)
    [rule], [off] = book.rules, book.disabled
    old = next(each for each in core_book().rules if each.id == name)
    assert off.id == name
    assert rule.id == f"OWN{name[3:]}"
    assert rule.model_copy(update={"id": old.id, "since": old.since}) == old


def test_every_rule_and_threshold_can_be_copied_into_one_book(tmp_path: Path) -> None:
    for id_ in IDS:
        assert f'id = "{id_}"' in copied(id_)
    book = user_book_of(tmp_path, *THRESHOLDS[:20], *IDS[:: len(IDS) // 15])
    assert len(book.thresholds) == 20
    assert len(book.rules) == len(book.disabled) >= 15
    assert len({rule.id for rule in book.rules}) == len(book.rules)


def test_a_copy_waits_for_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    for name in ("MET101", "memory_share_limit", "method"):
        path.write_text(copied(name, path), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        user_book(path)
    assert [finding.fix for finding in caught.value.findings] == ["Say why, in a sentence."] * 3


def test_a_copy_is_added_to_what_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    text = 'book = "ours"\nversion = "7"\n# A remark that must stay.\n'
    path.write_text(text, encoding="utf-8")
    assert copied("MET101", path).startswith(text)
    own = copied("MET101", path).replace("OWN101", "ABC101")
    path.write_text(own, encoding="utf-8")
    assert 'id = "ABC102"' in copied("MET102", path), "the family of the book is kept"


@pytest.mark.parametrize("name", ["MET101", "met101", "memory_share_limit", "$memory_share_limit", "method"])
def test_nothing_is_copied_twice_into_a_book(name: str, tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    path.write_text(copied(name, path), encoding="utf-8")
    with pytest.raises(InputError, match=r"has a copy of .* already"):
        copied(name, path)


def test_the_default_of_a_decision_can_be_copied(tmp_path: Path) -> None:
    book = user_book_of(tmp_path, "method")
    assert book.defaults["method"].value == core_book().decisions["method"].default


@pytest.mark.parametrize(("name", "near"), [("MET999", "met"), ("memory_share_limits", "memory_share_limit")])
def test_a_wrong_name_is_told_with_a_near_one(name: str, near: str) -> None:
    with pytest.raises(InputError, match=f"Did you mean `{near}"):
        copied(name)


@pytest.mark.parametrize("text", ["x = 3\n", "x = \n"])
def test_a_file_that_is_no_book_is_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        copied("MET101", path)
    assert path.read_text(encoding="utf-8") == text
