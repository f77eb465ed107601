from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from executors.retrieve.documents import SourceDocument, Unreadable, read_documents
from planner.documents import InputError

if TYPE_CHECKING:
    from pathlib import Path


def blank_pdf() -> bytes:
    """A PDF of one empty page, as a scanner makes it."""
    from pypdf import PdfWriter

    writer, stream = PdfWriter(), BytesIO()
    writer.add_blank_page(100, 100)
    writer.write(stream)
    return stream.getvalue()


def read(path: Path) -> dict[str, SourceDocument | Unreadable]:
    return {item.id: item for item in read_documents(path)}


def test_each_known_kind_of_file_is_read_and_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Fees\n\nThe fee is 4 euros.", encoding="utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.html").write_text(
        "<html><head><title>Rules</title><script>var x = 'hidden'</script></head><body><p>No dogs.</p></body></html>",
        encoding="utf-8",
    )
    (tmp_path / "c.jsonl").write_text('{"id": "row", "title": "T", "text": "words"}\n', encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    found = read(tmp_path)
    assert list(found) == ["a.md", "row", "sub/b.html"]
    assert found["a.md"] == SourceDocument("a.md", "Fees", "# Fees\n\nThe fee is 4 euros.")
    page = found["sub/b.html"]
    assert isinstance(page, SourceDocument)
    assert (page.title, page.text) == ("Rules", "Rules\nNo dogs.")


@pytest.mark.parametrize(
    ("name", "content", "because"),
    [
        ("empty.txt", b"  \n", "no text"),
        ("binary.txt", b"\xff\xfe\x00\x01", "not UTF-8"),
        ("zeros.txt", b"a\x00b", "binary"),
        ("scan.pdf", blank_pdf(), "text recognition"),
        ("broken.pdf", b"no pdf", "cannot be read"),
        ("rows.jsonl", b'{"body": "x"}\n', "no `text`"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_has_no_text_is_told_and_does_not_stop_the_others(
    tmp_path: Path, name: str, content: bytes, because: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "zz.txt").write_text("fine", encoding="utf-8")
    found = list(read_documents(tmp_path))
    assert isinstance(found[0], Unreadable)
    assert because in found[0].because
    assert isinstance(found[1], SourceDocument)


def test_a_row_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n{"text": \n', encoding="utf-8")
    with pytest.raises(InputError, match="Line 2 is not JSON"):
        read(tmp_path / "rows.jsonl")


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not there"):
        read(tmp_path / "nowhere")
