from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from executors.evaluate.perplexity import surprises
from executors.models import load_adapter, load_model, load_tokenizer, tokenizer_folder
from executors.prompt.infilling import marks_of
from executors.train import Train
from executors.train.examples import IGNORED
from planner.documents import AdaptError
from tests.executors.tiny import PLACES, THINGS, write_rows
from tests.executors.train.cards import loaded_by_card
from tests.executors.train.jobs import make_job, perform

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Job

pytestmark = pytest.mark.slow


def gaps(count: int) -> list[dict[str, str]]:
    """The thing that is missing is said again behind the gap."""
    return [
        {
            "id": f"g{number}",
            "prefix": f"turn on the {THINGS[number % 4]} and the ",
            "middle": PLACES[number % 5],
            "suffix": f" {PLACES[number % 5]}",
        }
        for number in range(count)
    ]


def gap_job(work: Path, model: Path, rows: list[dict[str, str]], **changes: Any) -> Job:
    job = make_job(work, model, validate=False, **{"objective": "infilling", "epochs": 6.0} | changes)
    inputs: dict[str, Any] = {"model": model, "train": write_rows(work / "gaps.jsonl", rows)}
    if not job.params.held_out:
        inputs["validation"] = write_rows(work / "held.jsonl", rows[:8])
    return replace(job, inputs=inputs)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_gaps_are_learned_with_tokens_that_the_model_is_given(tiny_model: Path, tmp_path: Path, method: str) -> None:
    import torch

    from executors.train import work

    kept: list[Any] = []
    events: list[Any] = []
    job = replace(gap_job(tmp_path, tiny_model, gaps(32), method=method, epochs=12.0), report=events.append)
    load = work._load

    def keep(*arguments: Any) -> Any:
        kept.append(load(*arguments))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "_load", keep)
        outcome = perform(job)
    assert outcome.notes["gap_marks_added"] is True
    assert outcome.metrics["validation_loss"].value < 0.95 * events[0].loss

    whole = method == "full"
    folder = job.out / ("model" if whole else "adapter")
    inputs = {"model": folder} if whole else {"model": tiny_model, "adapter": folder}
    tokenizer = load_tokenizer(tokenizer_folder(inputs))
    marks = marks_of(tokenizer)
    assert marks is not None
    again = load_model(inputs["model"], "fp32", device="cpu")
    if not whole:
        again = load_adapter(again, folder)
        by_card = loaded_by_card(folder, tiny_model)
    ids = torch.tensor([[marks.prefix, 50, 51, marks.suffix, 52, marks.middle, 53]])
    with torch.no_grad():
        expected = kept[0][0].model.eval()(input_ids=ids).logits
        torch.testing.assert_close(again(input_ids=ids).logits, expected, rtol=0, atol=1e-5)
        if not whole:
            torch.testing.assert_close(by_card(input_ids=ids).logits, expected, rtol=0, atol=1e-5)


def test_what_was_trained_is_what_is_measured(tiny_model: Path, tmp_path: Path) -> None:
    from types import SimpleNamespace

    from executors.data import read_rows
    from executors.prompt.document import make_prompt, write_prompt

    job = gap_job(tmp_path, tiny_model, gaps(32), epochs=12.0, spm_rate=0.0)
    loss = perform(job).metrics["validation_loss"].value
    write_prompt(make_prompt("Fill the gap."), tmp_path / "prompt")
    params = SimpleNamespace(dtype="fp32", quantization="none", batch_size=4, window=None)
    inputs = {"model": tiny_model, "adapter": job.out / "adapter", "prompt": tmp_path / "prompt"}
    rows = read_rows(tmp_path / "held.jsonl")
    found = surprises(replace(job, params=params, inputs=inputs), rows)
    assert sum(each.nll for each in found) / sum(each.tokens for each in found) == pytest.approx(loss, rel=1e-4)


def test_orders_and_gaps_follow_shares_and_seed(tiny_model: Path) -> None:
    from executors.retrieve.documents import SourceDocument
    from executors.train import TrainParams
    from executors.train.objectives.infilling import Source, _examples
    from tests.executors.train.jobs import params_of

    tokenizer = load_tokenizer(tiny_model)
    tokenizer.add_tokens(["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"], special_tokens=True)
    marks = marks_of(tokenizer)
    assert marks is not None
    documents = [SourceDocument(f"d{n}", "", "turn on the lamp in the hall " * 12) for n in range(40)]

    def made(**changes: Any) -> list[Any]:
        params = TrainParams.model_validate(params_of("lora", "infilling", max_length=64) | changes)
        return list(_examples(tokenizer, Source([], documents), params, marks, 0, learning=True).kept)

    assert made() == made()
    assert made() != made(seed=8)
    every = made(fim_rate=1.0, spm_rate=0.0)
    for example in every:
        at = example.ids.index(marks.middle)
        assert example.ids[0] == marks.prefix
        assert 0 < example.ids.index(marks.suffix) < at
        assert example.labels[: at + 1] == [IGNORED] * (at + 1)
        assert example.labels[at + 1 :] == example.ids[at + 1 :]
        assert example.ids[-1] == 0
        assert example.tokens <= 64
    backwards = made(fim_rate=1.0, spm_rate=1.0)
    assert all(example.ids[1] == marks.suffix for example in backwards)
    mixed = made(fim_rate=0.5, spm_rate=0.5)
    plain = [example for example in mixed if marks.middle not in example.ids]
    assert 0.3 < len(plain) / len(mixed) < 0.7
    assert all(example.labels == example.ids for example in plain)


def test_documents_are_held_out(tiny_model: Path, tmp_path: Path) -> None:
    texts = [{"id": f"d{n}", "text": f"turn on the {THINGS[n % 4]} in the {PLACES[n % 5]}"} for n in range(20)]
    notes = perform(gap_job(tmp_path, tiny_model, texts, held_out=0.25, epochs=1.0, packing=True)).notes
    assert (notes["rows"], notes["validation_rows"]) == (15, 5)


def test_gaps_are_learned_in_bf16(tiny_model: Path, tmp_path: Path) -> None:
    changes = {"base_dtype": "bf16", "precision": "bf16", "epochs": 1.0}
    assert perform(gap_job(tmp_path, tiny_model, gaps(16), **changes)).notes["trained_dtype"] == "float32"


@pytest.mark.parametrize(
    ("rows", "method", "said"),
    [
        ([{"prompt": "a", "completion": "b"}], "full", "The row row-1 has no gap to fill, but the shape prompt/compl"),
        (gaps(4), "ia3", "The model has no tokens that mark a gap, and ia3 could not learn new ones."),
    ],
)
def test_what_cannot_be_learned_is_refused(
    tiny_model: Path, tmp_path: Path, rows: list[dict[str, str]], method: str, said: str
) -> None:
    with pytest.raises(AdaptError) as caught:
        Train().perform(gap_job(tmp_path, tiny_model, rows, method=method))
    assert caught.value.findings[0].message.startswith(said)
