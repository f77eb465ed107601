"""Passages: documents cut at the ends of sentences, kept on disk, read one by one."""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from executors.retrieve.documents import SourceDocument

TEXTS, OFFSETS = "passages.jsonl", "offsets.npy"


@dataclass(frozen=True)
class Passage:
    """A part of a document that fits into a prompt."""

    document: str
    """Id of the document that it is from."""
    title: str
    text: str

    @property
    def searched(self) -> str:
        """What the indexes see: the title names what a passage in the middle of a document is about."""
        return f"{self.title}\n{self.text}"


def cut(document: SourceDocument, characters: int, overlap: int) -> Iterator[Passage]:
    """The passages of a document, split at the largest bounds that fit: paragraphs, sentences, words.

    Args:
        document: what is cut.
        characters: longest passage.
        overlap: characters of the passage before that a passage starts with, in whole sentences where they fit.
    """
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

    kind = MarkdownSplitter if document.id.lower().endswith((".md", ".markdown")) else TextSplitter
    for text in kind(characters, overlap=overlap).chunks(document.text):
        yield Passage(document.id, document.title, text)


def write_passages(passages: Iterable[Passage], folder: Path) -> int:
    """Write passages and where each starts; returns their count."""
    import numpy as np

    starts = []
    with (folder / TEXTS).open("wb") as stream:
        for passage in passages:
            starts.append(stream.tell())
            record = {"document": passage.document, "title": passage.title, "text": passage.text}
            stream.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        starts.append(stream.tell())
    np.save(folder / OFFSETS, np.array(starts, dtype=np.int64), allow_pickle=False)
    return len(starts) - 1


class Passages:
    """The passages of an index, read from the mapped file when they are asked for."""

    def __init__(self, folder: Path) -> None:
        """Map the files; nothing is read yet."""
        import numpy as np

        self._starts = np.load(folder / OFFSETS, mmap_mode="r", allow_pickle=False)
        with (folder / TEXTS).open("rb") as stream:
            self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if len(self) else b""

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, number: int) -> Passage:
        start, end = int(self._starts[number]), int(self._starts[number + 1])
        record: dict[str, Any] = json.loads(self._bytes[start:end])
        return Passage(record["document"], record["title"], record["text"])

    def texts(self) -> Iterator[str]:
        """What the indexes see of each passage, in order."""
        return (self[number].searched for number in range(len(self)))

    def documents(self, numbers: Sequence[int]) -> list[str]:
        """The documents of some passages."""
        return [self[number].document for number in numbers]
