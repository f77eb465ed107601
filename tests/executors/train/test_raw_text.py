from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from executors.retrieve.documents import SourceDocument
from executors.train import Train
from planner.documents import AdaptError
from tests.executors.tiny import PLACES, THINGS, write_rows
from tests.executors.train.jobs import make_job, params_of, perform

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Job

pytestmark = pytest.mark.slow


def documents(count: int) -> list[dict[str, str]]:
    return [
        {"id": f"doc-{number}", "text": " ".join(f"the {thing} in the {PLACES[number % 5]}" for thing in THINGS)}
        for number in range(count)
    ]


def text_job(work: Path, model: Path, data: Path | None = None, **changes: Any) -> Job:
    wanted = {"objective": "continued-pretraining", "packing": True, "max_length": 96, "held_out": 0.25} | changes
    job = make_job(work, model, validate=False, **wanted)
    train = data or write_rows(work / "documents.jsonl", documents(24))
    return replace(job, inputs={"model": model, "train": train})


@pytest.mark.parametrize("method", ["full", "lora"])
def test_raw_text_is_learned(tiny_model: Path, tmp_path: Path, method: str) -> None:
    outcome = perform(text_job(tmp_path, tiny_model, method=method, epochs=8.0))
    assert outcome.notes["documents"] == 18
    assert outcome.notes["validation_documents"] == 6
    assert outcome.notes["end_of_text"] == "<|endoftext|>"
    short = perform(text_job(tmp_path / "short", tiny_model, method=method, epochs=1.0))
    assert outcome.metrics["validation_loss"].value < short.metrics["validation_loss"].value


def test_text_and_markdown_of_a_folder_are_read(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.md").write_text("# Lamps\n\nthe lamp in the hall", encoding="utf-8")
    (folder / "deep" / "b.txt").write_text("the heater in the cellar", encoding="utf-8")
    (folder / "c.txt").write_bytes(b"\xff\xfe\x00")
    notes = perform(text_job(tmp_path / "work", tiny_model, folder, held_out=0.0, epochs=1.0)).notes
    assert (notes["documents"], notes["unreadable_documents"], notes["sequences"]) == (2, 1, 1)


@pytest.mark.parametrize(("count", "held"), [(1, 0), (2, 1), (10, 1), (100, 5)])
def test_of_two_documents_one_is_held_out(count: int, held: int) -> None:
    from executors.train.objectives.raw_text import hold_out

    documents = [SourceDocument(f"d{number}", "", "text") for number in range(count)]
    kept, apart = hold_out(documents, 0.05, 7)
    assert (len(kept), len(apart)) == (count - held, held)
    assert sorted([*kept, *apart], key=documents.index) == documents
    assert hold_out(documents, 0.05, 7) == (kept, apart)


def test_a_long_document_is_cut_and_every_token_is_learned_once(tiny_model: Path) -> None:
    from executors.models import load_tokenizer
    from executors.train.loss import collate
    from executors.train.objectives.raw_text import windows

    tokenizer = load_tokenizer(tiny_model)
    document = SourceDocument("a", "", "the lamp in the hall and " * 40)
    whole = tokenizer(document.text)["input_ids"]
    for most in (2, 7, 64, len(whole), len(whole) + 1, 5000):
        cut = windows(tokenizer, document, 0, most)
        assert all(len(each.ids) <= most for each in cut)
        batch = collate([each.encoded for each in cut], 0.0, pad_id=0)
        assert batch["targets"].tolist() == [*whole, 0][1:]


def test_text_that_ends_where_pretraining_ended_it(tiny_model: Path, tiny_base_model: Path) -> None:
    from executors.models import load_tokenizer
    from executors.train.objectives.raw_text import end_of_text_id

    chat = load_tokenizer(tiny_model)
    # A turn ends with <|im_end|>, which is also the end token.
    assert chat.convert_ids_to_tokens(end_of_text_id(chat)) == "<|endoftext|>"
    base = load_tokenizer(tiny_base_model)
    assert end_of_text_id(base) == base.eos_token_id


@pytest.mark.parametrize(
    ("rows", "changes", "said"),
    [
        ([{"prompt": "a", "completion": "b"}], {}, "There is no text to learn from: line 1 of documents.jsonl has no"),
        ([{"text": "the lamp " * 600}], {"max_length": 1000}, "has 1000 tokens, but the model reads 512."),
    ],
)
def test_what_cannot_be_learned_is_refused(
    tiny_model: Path, tmp_path: Path, rows: list[dict[str, str]], changes: dict[str, Any], said: str
) -> None:
    data = write_rows(tmp_path / "documents.jsonl", rows)
    with pytest.raises(AdaptError) as caught:
        Train().perform(text_job(tmp_path / "work", tiny_model, data, **changes))
    (finding,) = caught.value.findings
    assert said in finding.message


def test_a_killed_training_on_text_goes_on_to_the_same_bytes(tiny_model: Path, tmp_path: Path) -> None:
    first = text_job(tmp_path, tiny_model, dropout=0.1, epochs=3.0)
    perform(first)
    newest = max((tmp_path / "checkpoints").iterdir(), key=lambda item: int(item.name[11:]))
    (newest / "optimizer.pt").write_bytes(b"cut")
    again = text_job(tmp_path, tiny_model, dropout=0.1, epochs=3.0)
    assert perform(again).notes["resumed_from"]
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (again.out / "adapter" / name).read_bytes() == (first.out / "adapter" / name).read_bytes()


def test_only_raw_text_holds_documents_out() -> None:
    from executors.train import TrainParams

    with pytest.raises(ValueError, match="sft by lora has no held_out"):
        TrainParams.model_validate(params_of(held_out=0.1))
