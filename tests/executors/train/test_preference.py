"""Preference training: comparisons and verdicts, on a real tiny model."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from executors.train.belonging import SINGLE_ANSWERS
from executors.train.objectives.likelihood import STRANGE_AT_START
from executors.train.objectives.preference import prepare
from executors.train.params import TrainParams
from planner.documents import InputError
from tests.executors.tiny import make_tiny_model, tiny_rows
from tests.executors.train.jobs import METHODS, make_job, params_of, perform

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Job

pytestmark = pytest.mark.slow

LOSSES: dict[str, dict[str, Any]] = {
    "sigmoid": {},
    "sigmoid_norm": {"preference_beta": 2.0},
    "hinge": {},
    "ipo": {},
    "exo_pair": {"label_smoothing": 0.01},
    "nca_pair": {},
    "robust": {"label_smoothing": 0.1},
    "bco_pair": {},
    "sppo_hard": {"preference_beta": 0.05},
    "apo_zero": {},
    "apo_down": {},
    "orpo": {},
    "kto": {},
    "apo_zero_unpaired": {},
}


def pairs(count: int, *, start: int = 0) -> list[dict[str, str]]:
    """The right JSON is preferred to the same words in prose."""
    return [
        {"id": row["id"], "prompt": row["prompt"], "chosen": row["completion"], "rejected": f"I will {row['prompt']}."}
        for row in tiny_rows(count, start=start)
    ]


def verdicts(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [
        {"id": f"{row['id']}-{side}", "prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
        for row in rows
        for side in ("chosen", "rejected")
    ]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def preference_job(tmp_path: Path, model: Path, *, method: str = "lora", rows: Any = None, **changes: Any) -> Job:
    changes = {"learning_rate": 0.005, "epochs": 2.0, "objective": "preference"} | changes
    job = make_job(tmp_path, model, method=method, **changes)
    train, held = (pairs(32), pairs(8, start=32)) if rows is None else (rows, rows)
    if rows is None and changes.get("preference_loss") in SINGLE_ANSWERS:
        train, held = verdicts(train), verdicts(held)
    data = {"train": write(tmp_path / "pairs.jsonl", train), "validation": write(tmp_path / "held.jsonl", held)}
    return replace(job, inputs={**job.inputs, **data})


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_falls(loss: str, tiny_model: Path, tmp_path: Path) -> None:
    events: list[Any] = []
    job = preference_job(tmp_path, tiny_model, preference_loss=loss, **LOSSES[loss])
    object.__setattr__(job, "report", events.append)
    metrics = perform(job).metrics
    assert metrics["train_loss"].value < events[0].loss
    assert metrics["validation_loss"].value < events[0].loss
    assert metrics["validation_reward_margin"].value > 0
    assert metrics["validation_reward_accuracy"].value > 0.5


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_starts_at_its_reference_and_learns_what_is_preferred(
    method: str, tiny_model: Path, tmp_path: Path
) -> None:
    if method == "bitfit":
        tiny_model = make_tiny_model(tmp_path / "biases", biases=True)
    events: list[Any] = []
    rate = {"learning_rate": METHODS[method].get("learning_rate", 0.01) / 2}
    job = preference_job(tmp_path, tiny_model, method=method, **rate)
    object.__setattr__(job, "report", events.append)
    metrics = perform(job).metrics
    if method not in STRANGE_AT_START:
        # ln 2: nothing is preferred yet to what the reference prefers.
        assert events[0].loss == pytest.approx(math.log(2), abs=1e-6)
    assert metrics["validation_loss"].value < events[0].loss


def test_the_loss_is_that_of_the_paper(tiny_model: Path, tmp_path: Path) -> None:
    import torch

    from executors.models import load_adapter, load_model

    job = preference_job(tmp_path, tiny_model, preference_beta=0.3)
    outcome = perform(job)
    held = prepare(job).validation
    assert held is not None
    base = load_model(tiny_model, "fp32")

    def likelihood(model: Any, example: Any) -> float:
        """The log-probability of an answer, by all logits at once."""
        ids, labels = torch.tensor(example.ids), torch.tensor(example.labels)
        with torch.no_grad():
            told = model(input_ids=ids[None]).logits[0, :-1].log_softmax(1).gather(1, ids[1:, None])[:, 0]
        return float(told[labels[1:] >= 0].sum())

    before = [[likelihood(base, side) for side in (each, each.other)] for each in held.kept]  # type: ignore[attr-defined]
    tuned = load_adapter(base, job.out / "adapter")
    after = [[likelihood(tuned, side) for side in (each, each.other)] for each in held.kept]  # type: ignore[attr-defined]
    margins = [0.3 * ((a - b) - (c - d)) for (a, c), (b, d) in zip(after, before, strict=True)]
    wanted = sum(math.log1p(math.exp(-margin)) for margin in margins) / len(margins)
    assert outcome.metrics["validation_loss"].value == pytest.approx(wanted, rel=1e-4)


def test_a_killed_training_leaves_what_an_undisturbed_one_leaves(tiny_model: Path, tmp_path: Path) -> None:
    whole = preference_job(tmp_path / "whole", tiny_model, dropout=0.1, checkpoint_s=1e-6)
    perform(whole)
    first = preference_job(tmp_path / "cut", tiny_model, dropout=0.1, checkpoint_s=1e-6)
    steps: list[Any] = []

    def stop(event: Any) -> None:
        steps.append(event)
        if event.done == 5:
            raise KeyboardInterrupt

    object.__setattr__(first, "report", stop)
    monkey = pytest.MonkeyPatch()
    monkey.setattr("executors.train.watch.REPORT_S", 0.0)
    with monkey.context(), pytest.raises(KeyboardInterrupt):
        perform(first)
    monkey.undo()
    again = preference_job(tmp_path / "cut", tiny_model, dropout=0.1, checkpoint_s=1e-6)
    assert perform(again).notes["resumed_from"] == 4
    file = "adapter/adapter_model.safetensors"
    assert (again.out / file).read_bytes() == (whole.out / file).read_bytes()


@pytest.mark.parametrize("changes", [{"gradient_checkpointing": True}, {"micro_batch": 2, "accumulation": 4}])
def test_what_saves_memory_does_not_change_the_training(
    tiny_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    plain = perform(preference_job(tmp_path / "plain", tiny_model)).metrics["validation_loss"].value
    saving = perform(preference_job(tmp_path / "saving", tiny_model, **changes)).metrics["validation_loss"].value
    assert saving == pytest.approx(plain, rel=1e-4)


def test_the_reference_is_computed_once(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    perform(preference_job(tmp_path, tiny_model, epochs=1.0))
    monkeypatch.setattr("executors.train.objectives.likelihood._scored", lambda *_: pytest.fail("computed again"))
    perform(preference_job(tmp_path, tiny_model, epochs=1.0))


def test_comparisons_can_be_learned_as_verdicts(tiny_model: Path, tmp_path: Path) -> None:
    outcome = perform(preference_job(tmp_path, tiny_model, rows=pairs(6), preference_loss="kto", epochs=1.0))
    assert outcome.notes["rows"] == 12


def test_pairs_above_the_length_are_left_out_whole(tiny_model: Path, tmp_path: Path) -> None:
    rows = [*pairs(4), {"id": "long", "prompt": "turn it on", "chosen": "yes", "rejected": "no " * 200}]
    notes = perform(preference_job(tmp_path, tiny_model, rows=rows, epochs=1.0)).notes
    assert (notes["rows"], notes["dropped_too_long"]) == (4, 1)


PAIR = {"prompt": "turn on the lamp", "chosen": "on", "rejected": "off"}
GOOD = {"prompt": "turn on the lamp", "completion": "on", "label": True}


@pytest.mark.parametrize(
    ("rows", "changes", "said"),
    [
        ([PAIR, PAIR | {"rejected": "on "}], {}, "1 rows compare an answer with itself, the first is row-2"),
        ([PAIR | {"chosen": " "}], {}, "1 rows have an empty answer, the first is row-1"),
        ([PAIR | {"chosen": PAIR["prompt"]}], {}, "In 1 rows the good answer repeats the prompt"),
        ([GOOD, GOOD | {"label": False}], {}, "The rows judge single answers; this loss"),
        ([{"prompt": "turn on", "completion": "on"}], {}, "give one answer each and say nothing of a worse one"),
        ([GOOD, GOOD], {"preference_loss": "kto"}, "All 2 rows have good answers"),
        ([PAIR | {"rejected": "off " * 200}], {}, "All 1 rows are longer than 128 tokens"),
    ],
)
def test_rows_that_teach_nothing_are_refused_before_the_model_is_loaded(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: Any, changes: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr("executors.models.load_model", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(InputError, match=said):
        perform(preference_job(tmp_path, tiny_model, rows=rows, **changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label_smoothing": 0.1}, "sigmoid takes no label as wrong"),
        ({"preference_loss": "exo_pair"}, "exo_pair needs a label_smoothing above 0"),
        ({"desirable_weight": 2.0}, "sees both answers at once"),
        ({"prompt_loss_weight": 0.1}, "learned from answers alone"),
        ({"preference_beta": None}, "needs preference_beta"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TrainParams.model_validate(params_of(objective="preference") | changes)
