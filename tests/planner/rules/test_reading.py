"""Books that ship are parsed once and kept; a line of a file is found from a pointer."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from planner.rules import reading
from planner.rules.problems import line_of

if TYPE_CHECKING:
    from pathlib import Path

BOOK = """book = "b"
version = "1"
[threshold.few]
value = 3
unit = "rows"
why = "w"
[decision.choice]
asks = "?"
answers = ["a", "b"]
default = "a"
because = "x"
[[rule]]
id = "TST101"
name = "n"
decides = "choice"
answer = "a"
when = { train_rows = "> $few" }
why = "w"
cite = ["book:lora"]
examples = [{ given = { train_rows = 4 }, holds = true }, { given = { train_rows = 1 }, holds = false }]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one book, whose parsed form is kept beside it."""
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "10.toml").write_text(BOOK, encoding="utf-8")
    monkeypatch.setattr(importlib.util, "cache_from_source", lambda _: str(tmp_path / "kept" / "reading.pyc"))
    return tmp_path / "books"


def kept(folder: Path) -> list[Path]:
    return sorted((folder.parent / "kept").glob("*.json"))


def test_a_book_is_parsed_once_and_the_same_when_it_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = reading._shipped(folder)
    [file] = kept(folder)
    monkeypatch.setattr(reading, "read_toml", None)
    assert reading._shipped(folder) == first
    assert kept(folder) == [file]


def test_a_changed_book_is_parsed_again_and_the_old_form_goes(folder: Path) -> None:
    first = reading._shipped(folder)
    [old] = kept(folder)
    (folder / "10.toml").write_text(BOOK.replace("value = 3", "value = 4"), encoding="utf-8")
    second = reading._shipped(folder)
    assert (first.thresholds["few"].value, second.thresholds["few"].value) == (3, 4)
    assert first.digest != second.digest
    [new] = kept(folder)
    assert new != old


def test_a_remark_changes_nothing_of_the_digest(folder: Path) -> None:
    first = reading._shipped(folder)
    (folder / "10.toml").write_text("# A remark.\n" + BOOK, encoding="utf-8")
    assert reading._shipped(folder).digest == first.digest


@pytest.mark.parametrize("content", [b"", b"{", b'{"digest": "x", "files": {"a": 3}}', b"\xff\xfe"])
def test_a_kept_form_that_is_damaged_is_made_anew(folder: Path, content: bytes) -> None:
    first = reading._shipped(folder)
    [file] = kept(folder)
    file.write_bytes(content)
    assert reading._shipped(folder) == first
    assert file.read_bytes() != content


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(folder: Path) -> None:
    (folder.parent / "kept").write_text("a file stands where the folder would be", encoding="utf-8")
    assert reading._shipped(folder).rules[0].id == "TST101"


@pytest.mark.parametrize(
    ("pointer", "line"),
    [
        ("/book", "book ="),
        ("/threshold/few", "[threshold.few]"),
        ("/threshold/few/value", "value = 3"),
        ("/decision/choice/default", 'default = "a"'),
        ("/rule/TST101", 'id = "TST101"'),
        ("/rule/0", 'id = "TST101"'),
        ("/rule/TST101/when/train_rows", "when ="),
        ("/rule/0/cite/0", "cite ="),
        ("/rule/0/gone", 'id = "TST101"'),
    ],
)
def test_the_line_of_a_pointer_is_found(pointer: str, line: str) -> None:
    number = line_of(BOOK, pointer.split("/")[1:])
    assert number is not None
    assert BOOK.splitlines()[number - 1].startswith(line)


@pytest.mark.parametrize("pointer", ["", "/rule/TST999", "/threshold/gone", "/gone", "/rule/7"])
def test_a_place_that_is_not_there_has_no_line(pointer: str) -> None:
    assert line_of(BOOK, pointer.split("/")[1:]) is None
