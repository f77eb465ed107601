from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from executors.data import Row
from executors.diagnose.lookup import look_up, open_index
from planner.documents import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from executors.retrieve.index import Index

DOCUMENTS = {
    "rivers": "The Lena ends in the Laptev Sea. It is 4294 km long.",
    "bread": "Rye bread is baked at 230 degrees for an hour.",
    "trains": "The night train leaves at nine and stops in every village.",
}


@pytest.fixture
def index(tmp_path: Path) -> Index:
    lines = [json.dumps({"id": name, "title": name, "text": text}) for name, text in DOCUMENTS.items()]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return open_index(tmp_path / "corpus.jsonl", tmp_path / "index", 1)


def test_the_gold_document_is_the_one_that_the_data_name(index: Index) -> None:
    row = Row("q", "Where does the Lena end?", "Laptev Sea", gold=("rivers",))
    (found,) = look_up(index, [row], 1)
    assert [passage.document for passage in found.gold] == ["rivers"]
    assert (found.rank, found.named, found.held) == (1, True, True)


def test_without_a_name_the_passage_is_found_by_the_answers_words(index: Index) -> None:
    (found,) = look_up(index, [Row("q", "Where does the Lena end?", "the Laptev Sea")], 1)
    assert found.gold[0].document == "rivers"
    assert not found.named


def test_an_answer_that_the_documents_hold_and_the_search_does_not_give_is_told_apart(index: Index) -> None:
    held, missing = look_up(
        index,
        [Row("q1", "How hot must an oven be?", "every village"), Row("q2", "How hot must an oven be?", "a tram")],
        1,
    )
    assert (held.gold, held.rank, held.held) == ((), None, True)
    assert (missing.rank, missing.held) == (None, False)


def test_an_answer_of_a_letter_or_two_tells_nothing(index: Index) -> None:
    (found,) = look_up(index, [Row("q", "When does the night train leave?", "at")], 1)
    assert (found.gold, found.held) == ((), None)


def test_the_index_is_made_once(tmp_path: Path, index: Index) -> None:
    (tmp_path / "corpus.jsonl").unlink()
    again = open_index(tmp_path / "corpus.jsonl", tmp_path / "index", 1)
    assert len(again.passages) == len(index.passages) == 3


def test_documents_without_text_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no document with text"):
        open_index(tmp_path / "empty", tmp_path / "index", 1)
