from __future__ import annotations

import random
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pytest

from executors.train.batches import EpochBatches
from executors.train.examples import Example, Examples, answered
from executors.train.packing import check_apart, pack
from planner.documents import RunError
from planner.facts import FACTS, Unknown
from tests.executors.train.jobs import make_job, perform

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def rows() -> Examples:
    lengths = (9, 4, 7, 5, 3, 8, 2, 6)
    return Examples(tuple(answered(f"r{n}", [n + 1] * 2, [40 + n] * (n - 2)) for n in lengths))


def test_every_row_is_in_one_sequence_whole() -> None:
    packed = pack(rows(), 12)
    assert packed == pack(rows(), 12)
    assert len(packed.kept) == 4
    found = []
    for sequence in packed.kept:
        assert sequence.tokens == sum(sequence.segments) <= 12
        begin = 0
        for segment in sequence.segments:
            found.append((sequence.ids[begin : begin + segment], sequence.labels[begin : begin + segment]))
            begin += segment
    assert sorted(found) == sorted((each.ids, each.labels) for each in rows().kept)


@pytest.mark.parametrize(("longest", "epochs"), [(60, 2.0), (200, 3.0)])
def test_a_plan_counts_the_steps_that_packed_training_takes(longest: int, epochs: float) -> None:
    chance = random.Random(0)  # noqa: S311 - lengths, not secrets
    lengths = [chance.randint(8, longest) for _ in range(2000)]
    packed = pack(Examples(tuple(answered(str(at), [1], [2] * (n - 1)) for at, n in enumerate(lengths))), 512)
    steps = EpochBatches([each.tokens for each in packed.kept], micro=4, accumulation=2, seed=0, grouped=True).steps
    told = {"training_rows_seen": epochs * len(lengths), "raw_text_seen": 0.0, "packing": True, "objective": "sft"}
    told |= {"max_length": 512, "rows_in_sequence": 512 / fmean(lengths)}
    assert _planned(told, 8) == pytest.approx(epochs * steps, rel=0.03)
    assert _planned(told | {"packing": False}, 8) == epochs * len(lengths) / 8


def test_a_plan_counts_the_steps_of_raw_text() -> None:
    chance = random.Random(0)  # noqa: S311 - lengths, not secrets
    documents = [[2] * chance.randint(20, 2000) for _ in range(200)]
    pieces = [each[at : at + 256] for each in documents for at in range(0, len(each), 255)]
    packed = pack(Examples(tuple(Example(str(at), ids, ids) for at, ids in enumerate(pieces))), 256)
    told = {"training_rows_seen": 200.0, "raw_text_seen": float(sum(map(len, documents))), "max_length": 256}
    told |= {"packing": True, "objective": "continued-pretraining", "rows_in_sequence": Unknown("no rows")}
    assert _planned(told, 8) == pytest.approx(len(packed.kept) / 8, rel=0.05)


def _planned(told: dict[str, Any], batch: int) -> int:
    sequences = FACTS["sequences_seen"].compute(**told)
    return int(FACTS["optimizer_steps"].compute(sequences_seen=sequences, effective_batch=batch))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_logits_in_a_sequence_equal_those_of_the_row_alone(tiny_model: Path, attention: str) -> None:
    import torch

    from executors.models import load_model
    from executors.train.loss import HeadRows, collate

    model = load_model(tiny_model, "fp32", device="cpu", attention=attention)
    head = HeadRows(model)
    whole = pack(rows(), 12)
    batch = collate([each.encoded for each in whole.kept], 1.0, pad_id=0)
    with torch.no_grad():
        together = head.logits(model, batch["ids"], torch.arange(batch["ids"].numel()), batch["places"])
        together = together.view(*batch["ids"].shape, -1)
        for number, sequence in enumerate(whole.kept):
            begin = 0
            for segment in sequence.segments:
                alone = model(input_ids=torch.tensor([sequence.ids[begin : begin + segment]]), use_cache=False).logits
                torch.testing.assert_close(together[number, begin : begin + segment], alone[0], rtol=0, atol=1e-5)
                begin += segment


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
def test_the_loss_of_packed_rows_is_that_of_the_rows(tiny_model: Path, weight: float) -> None:
    import torch

    from executors.models import load_model
    from executors.train.loss import HeadRows, collate, weighted_loss

    model = load_model(tiny_model, "fp32", device="cpu")
    head = HeadRows(model)

    def loss(examples: Examples) -> tuple[float, float]:
        batch = collate([each.encoded for each in examples.kept], weight, pad_id=0)
        with torch.no_grad():
            logits = head.logits(model, batch["ids"], batch["kept"], batch["places"])
            return float(weighted_loss(logits, batch["targets"], batch["weights"])), float(batch["weights"].sum())

    assert loss(pack(rows(), 12)) == pytest.approx(loss(rows()), rel=1e-5)


def test_a_model_in_which_rows_see_each_other_is_refused(tiny_model: Path) -> None:
    from executors.models import load_model
    from executors.train.loss import HeadRows

    class Leaking(HeadRows):
        def logits(self, model: Any, ids: Any, kept: Any, places: Any = None) -> Any:
            return super().logits(model, ids, kept)

    model = load_model(tiny_model, "fp32", device="cpu")
    check_apart(model, HeadRows(model))
    with pytest.raises(RunError, match="Rows that share a sequence see each other in this model"):
        check_apart(model, Leaking(model))


def test_packed_rows_are_learned(tiny_model: Path, tmp_path: Path) -> None:
    outcome = perform(make_job(tmp_path, tiny_model, packing=True, max_length=256, micro_batch=2, epochs=8.0))
    assert outcome.notes["sequences"] < outcome.notes["rows"] == 32
    alone = perform(make_job(tmp_path / "alone", tiny_model, epochs=1.0))
    assert outcome.metrics["validation_loss"].value < alone.metrics["validation_loss"].value


def test_what_is_cut_short_goes_on_to_the_same_bytes(tiny_model: Path, tmp_path: Path) -> None:
    packed: dict[str, Any] = {"packing": True, "max_length": 256, "micro_batch": 2, "dropout": 0.1}
    first = make_job(tmp_path, tiny_model, **packed)
    perform(first)
    for checkpoint in sorted((tmp_path / "checkpoints").iterdir(), key=lambda item: int(item.name[11:]))[-1:]:
        (checkpoint / "optimizer.pt").write_bytes(b"cut")
    again = make_job(tmp_path, tiny_model, **packed)
    assert perform(again).notes["resumed_from"]
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (again.out / "adapter" / name).read_bytes() == (first.out / "adapter" / name).read_bytes()


def test_a_row_alone_has_no_neighbours() -> None:
    assert Example("a", [1, 2], [1, 2]).encoded["segments"] == [2]
