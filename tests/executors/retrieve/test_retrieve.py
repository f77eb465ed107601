from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.contract import Job, Outcome
from executors.data import Row
from executors.retrieve import Retrieve, RetrieveParams
from executors.retrieve.chunks import Passage, Passages, cut, write_passages
from executors.retrieve.documents import SourceDocument
from executors.retrieve.executor import enough
from executors.retrieve.index import Index, fuse
from executors.retrieve.quality import quality, rank_of_gold
from planner.documents import InputError

if TYPE_CHECKING:
    from pathlib import Path

PARAMS: dict[str, Any] = {
    "method": "bm25",
    "chunk_tokens": [32],
    "overlap": 0.1,
    "passages": [2],
    "recall_loss": 0.0,
    "language": "english",
    "seed": 0,
}
TOPICS = {
    "dogs": "Dogs must be on a lead in the park. A lead may be two metres long.",
    "fees": "The fee for a garden is forty euros a year. It is due in March.",
    "bins": "Bins are emptied on Tuesdays. Glass is collected once a month.",
}


def build(tmp_path: Path, *, validation: bool = False, **changed: Any) -> tuple[Path, Outcome]:
    documents = tmp_path / "documents"
    documents.mkdir(exist_ok=True)
    for name, text in TOPICS.items():
        (documents / f"{name}.txt").write_text(text, encoding="utf-8")
    inputs: dict[str, Any] = {"documents": documents}
    if validation:
        questions = tmp_path / "questions.jsonl"
        rows = [
            {"question": "How much is the fee for a garden?", "answers": ["forty euros"], "gold": "fees.txt"},
            {"question": "On which day are bins emptied?", "answers": ["Tuesdays", "Tuesday"]},
        ]
        questions.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        inputs["validation"] = questions
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    params = RetrieveParams.model_validate(PARAMS | changed)
    outcome = Retrieve().perform(
        Job("retrieve/bm25", params, inputs, out, tmp_path, lambda _: None, tmp_path / "cache")
    )
    return out / "index", outcome


def test_the_passage_with_the_words_of_the_question_comes_first(tmp_path: Path) -> None:
    folder, outcome = build(tmp_path)
    (best, *_), none = Index(folder).retrieve(["collecting glass", "quantum chromodynamics"])
    assert best.document == "bins.txt"
    assert "Glass" in best.text
    assert none == []
    assert outcome.notes["documents"] == 3


def test_validation_chooses_the_length_of_passages_and_measures_recall(tmp_path: Path) -> None:
    _, outcome = build(tmp_path, validation=True, chunk_tokens=[16, 64])
    assert outcome.metrics["recall_at_1"].value == outcome.metrics["mrr"].value == 1.0
    assert outcome.notes["chunk_tokens"] in (16, 64)
    assert set(outcome.notes["mrr_by_chunk_tokens"]) == {"16", "64"}  # type: ignore[arg-type]


def test_documents_without_text_are_refused_with_the_first_reason(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    for name in TOPICS:
        (documents / f"{name}.txt").write_text("", encoding="utf-8")
    out = tmp_path / "out"
    out.mkdir()
    job = Job(
        "retrieve/bm25",
        RetrieveParams.model_validate(PARAMS),
        {"documents": documents},
        out,
        tmp_path,
        lambda _: None,
        tmp_path,
    )
    with pytest.raises(InputError, match=r"no document with text\. bins\.txt: it holds no text"):
        Retrieve().perform(job)


def test_a_folder_that_is_no_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no index"):
        Index(tmp_path)


def test_an_index_is_the_same_bytes_for_the_same_documents(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        folder, _ = build(tmp_path / name)
        contents.append({file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()})
    assert contents[0] == contents[1]


@given(st.lists(st.text(min_size=1, max_size=60), max_size=8))
def test_passages_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("passages")
    passages = [Passage(f"d{number}", "title", text) for number, text in enumerate(texts)]
    assert write_passages(passages, folder) == len(texts)
    read = Passages(folder)
    assert [read[number] for number in range(len(read))] == passages


@given(st.text(alphabet="ab. \n", min_size=1, max_size=600), st.integers(20, 100))
def test_no_passage_is_longer_than_asked_and_no_letter_is_lost(text: str, characters: int) -> None:
    passages = list(cut(SourceDocument("d.txt", "d", text), characters, 0))
    assert all(len(passage.text) <= characters for passage in passages)
    assert "".join("".join(passage.text.split()) for passage in passages) == "".join(text.split())


@given(st.lists(st.permutations(range(6)), min_size=1, max_size=3))
def test_fusion_ranks_what_all_searches_found_first_at_the_top(rankings: list[list[int]]) -> None:
    fused = fuse(rankings)
    assert sorted(fused) == list(range(6))
    if len({ranking[0] for ranking in rankings}) == 1:
        assert fused[0] == rankings[0][0]


def test_gold_is_the_named_document_or_else_the_passage_with_an_answer() -> None:
    passages = [Passage("a", "", "nothing"), Passage("b", "", "The fee is forty euros.")]
    by_name = Row("1", "?", "x", gold=("a",))
    by_answer = Row("2", "?", "40 euros", others=("forty euros",))
    assert (rank_of_gold(by_name, passages), rank_of_gold(by_answer, passages)) == (1, 2)
    assert rank_of_gold(Row("3", "?", "absent"), passages) is None


def test_recall_and_reciprocal_rank_are_those_of_the_ranks() -> None:
    found = quality([1, 2, None, 6], seed=0)
    assert [found[f"recall_at_{k}"].value for k in (1, 5, 10)] == [0.25, 0.5, 0.75]
    assert found["mrr"].value == pytest.approx((1 + 1 / 2 + 0 + 1 / 6) / 4)


@pytest.mark.slow
def test_vectors_of_known_texts_come_from_the_cache(tmp_path: Path) -> None:
    from executors.retrieve.meaning_search import MeaningSearch
    from executors.retrieve.meaning_search import build as embed

    class Letters:
        """Stands for a sentence-transformers model: which letters a text has."""

        id = "letters"
        asked = 0

        def vectors(self, texts: list[str]) -> Any:
            import numpy as np

            self.asked += len(texts)
            counts = np.array([[text.count(chr(97 + at)) + 1e-6 for at in range(26)] for text in texts])
            return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)

    write_passages([Passage("a", "aaa", "aab"), Passage("b", "zzz", "zzy")], tmp_path)
    encoder: Any = Letters()
    assert embed(Passages(tmp_path), tmp_path, encoder, tmp_path / "cache", lambda _: None) == 2
    assert embed(Passages(tmp_path), tmp_path, encoder, tmp_path / "cache", lambda _: None) == 0
    assert encoder.asked == 2
    assert MeaningSearch(tmp_path, encoder).search(["yz", "ba"], 1) == [[1], [0]]


@pytest.mark.parametrize(
    ("ranks", "counts", "loss", "count"),
    [
        ([1, 1, 1, 1], [1, 3, 5], 0.0, 1),
        ([1, 1, 3, 2], [1, 3, 5], 0.0, 3),
        ([1, 1, 3, 5], [1, 3, 5], 0.25, 3),
        ([1, 1, 3, 5], [1, 3, 5], 0.2, 5),
        ([None, None], [1, 3, 5], 0.0, 1),
        ([], [1, 3, 5], 0.0, 5),
    ],
)
def test_as_few_passages_are_shown_as_find_what_many_find(
    ranks: list[int | None], counts: list[int], loss: float, count: int
) -> None:
    assert enough(ranks, counts, loss) == count


def test_the_index_says_how_many_passages_a_prompt_is_given(tmp_path: Path) -> None:
    index, outcome = build(tmp_path, validation=True, passages=[1, 2, 3])
    assert outcome.notes["passages_shown"] == Index(index).manifest.k == 1
    assert [len(found) for found in Index(index).retrieve(["When are bins emptied?"])] == [1]
