"""The content digest of files and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from planner.documents import fingerprint
from planner.documents.fingerprint import END_BYTES, WHOLE_BYTES

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_known_by_its_content_not_its_name(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"abc")
    two.write_bytes(b"abc")
    assert fingerprint(one) == fingerprint(two)
    two.write_bytes(b"abd")
    assert fingerprint(one)[0] != fingerprint(two)[0]
    assert fingerprint(one)[1] == 3


def test_a_folder_is_known_by_the_names_and_contents_of_its_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "deep").mkdir(parents=True)
        (tmp_path / folder / "deep" / "x").write_bytes(b"123")
        (tmp_path / folder / "y").write_bytes(b"4")
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert fingerprint(tmp_path / "a")[1] == 4
    (tmp_path / "b" / "y").rename(tmp_path / "b" / "z")
    assert fingerprint(tmp_path / "a")[0] != fingerprint(tmp_path / "b")[0]


def test_a_large_file_counts_by_its_size_and_both_ends(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    with path.open("wb") as stream:
        stream.truncate(WHOLE_BYTES + 3 * END_BYTES)
    first = fingerprint(path)
    for place, changes in ((0, True), (WHOLE_BYTES + 3 * END_BYTES - 1, True), (8 * END_BYTES, False)):
        with path.open("r+b") as stream:
            stream.seek(place)
            stream.write(b"x")
        assert (fingerprint(path) != first) == changes
        with path.open("r+b") as stream:
            stream.seek(place)
            stream.write(b"\0")
    with path.open("ab") as stream:
        stream.write(b"\0")
    assert fingerprint(path) != first


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        fingerprint(tmp_path / "gone")
