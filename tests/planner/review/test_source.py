"""A file that cannot be used is one clear finding; a file that can be used says where each value stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.documents import InputError
from planner.review.source import read_source

if TYPE_CHECKING:
    from pathlib import Path

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)
BAD = {
    "empty.yaml": (b"", "CONF020"),
    "space.yml": (b" \n\n", "CONF020"),
    "comment.yml": (b"# nothing\n", "CONF023"),
    "list.yaml": (b"- a\n- b\n", "CONF023"),
    "word.yaml": (b"hello\n", "CONF023"),
    "syntax.yaml": (b"a: [1, 2\nb: 3\n", "CONF021"),
    "tab.yaml": (b"a:\n\t- 1\n", "CONF021"),
    "bomb.yaml": (BOMB.encode(), "CONF021"),
    "cycle.yaml": (b"a: &a\n  b: *a\n", "CONF021"),
    "deep.yaml": (b"a: " + b"[" * 5000, "CONF021"),
    "deep.json": (b'{"a": ' + b"[" * 100000 + b"]" * 100000 + b"}", "CONF02"),
    "object.yaml": (b"a: !!python/object/apply:os.system ['true']\n", "CONF021"),
    "local.yaml": (b"a: !include other.yaml\n", "CONF021"),
    "twice.yaml": (b"a: 1\nb: 2\na: 3\n", "CONF021"),
    "twice.json": (b'{"a": 1,\n "a": 2}', "CONF021"),
    "documents.yaml": (b"a: 1\n---\nb: 2\n", "CONF021"),
    "nan.json": (b'{"learning_rate": NaN}', "CONF021"),
    "infinity.json": (b'{"learning_rate": 1e999}', "CONF021"),
    "nan.yaml": (b"learning_rate: .nan\n", "CONF021"),
    "cut.json": (b'{"a": 1,', "CONF021"),
    "latin.yaml": ("a: é\n".encode("latin-1"), "CONF014"),
    "broken.toml": (b"a = \n", "CONF021"),
    "large.yaml": (b"a: 1\n" + b"# padding\n" * 1_000_000, "CONF011"),
    "digits.yaml": (b"a: " + b"9" * 5000, "CONF021"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_used_is_one_finding(name: str, tmp_path: Path) -> None:
    content, code = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_source(path)
    (finding,) = caught.value.findings
    assert finding.code.startswith(code)
    assert finding.severity == "error"
    assert finding.where.file == str(path)
    assert name in finding.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "line"), [("twice.yaml", 3), ("twice.json", 2), ("documents.yaml", 2), ("tab.yaml", 2)]
)
def test_a_syntax_error_names_its_line(name: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(BAD[name][0])
    with pytest.raises(InputError) as caught:
        read_source(path)
    assert caught.value.findings[0].where.line == line


def test_a_file_that_is_not_there_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "qlora.yml").write_text("a: 1", encoding="utf-8")
    with pytest.raises(InputError, match=r"Did you mean `qlora\.yml`"):
        read_source(tmp_path / "qlor.yml")


def test_nested_values_of_json_have_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    values = {"a": {"b/c": [1, {"d": 'x"y'}, [], {}]}, "e": "\u00e9\n", "f": None}
    path.write_text(json.dumps(values, indent=1), encoding="utf-8")
    source = read_source(path)
    assert source.values == values
    assert source.line("/a/b~1c/1/d") == 6
    assert source.line("/f") == 13
    assert source.line("/a/b~1c/9") == source.line("/a/b~1c")


def test_merge_keys_and_numbers_as_keys_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n128011: word\n", encoding="utf-8")
    assert read_source(path).values == {"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}, "128011": "word"}


WORDS = ["a: ", "- ", "1e5", ".inf", "0o7", "2001-01-01", "null", "!!int ", "!!bool ", "!!binary x", "!x ", "<<: *a"]
SIGNS = ["[", "]", "{", "}", ", ", ": ", '"', "'", "&a ", "*a", "|\n", "? ", "# ", "---\n", "...\n", "%YAML 1.1\n"]
SPACES = ["\n", "  ", "\t", "\u00e9", "\x00", "\ufeff"]
PIECES = st.sampled_from([*WORDS, *SIGNS, *SPACES])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(pieces=st.lists(PIECES, max_size=25), suffix=st.sampled_from(["yaml", "json", "toml", "txt"]))
def test_no_text_crashes_the_reader(pieces: list[str], suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"c.{suffix}"
    path.write_text("".join(pieces), encoding="utf-8")
    problems: tuple[object, ...] = ()
    try:
        json.dumps(read_source(path).values, allow_nan=False)
    except InputError as error:
        problems = error.findings
    assert len(problems) <= 1
