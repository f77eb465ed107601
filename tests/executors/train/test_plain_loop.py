"""The trainer does what a loop written by hand does with the same batches: nothing is added to the learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.train import TrainParams
from tests.executors.tiny import tiny_rows, write_rows
from tests.executors.train.jobs import params_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_weights_are_those_of_a_loop_written_by_hand(tiny_model: Path, tmp_path: Path, schedule: str) -> None:
    import torch

    from executors.data import read_rows
    from executors.models import load_model, load_tokenizer
    from executors.prompt.document import make_prompt
    from executors.train.batches import EpochBatches
    from executors.train.examples import encode
    from executors.train.loss import collate
    from executors.train.methods import METHODS
    from executors.train.preflight import Ready
    from executors.train.trainer import SupervisedTrainer
    from executors.train.training import Training
    from executors.train.watch import Record, Schedule, Watch

    epochs = 3
    changes: dict[str, Any] = {"epochs": epochs, "schedule": schedule, "warmup_ratio": 0.25, "learning_rate": 3e-3}
    params = TrainParams.model_validate(params_of(weight_decay=0.1, share_prefix=False, **changes))
    tokenizer = load_tokenizer(tiny_model)
    rows = read_rows(write_rows(tmp_path / "rows.jsonl", tiny_rows(20)))
    ready = Ready(tokenizer, encode(tokenizer, make_prompt("Answer with JSON."), rows, params.max_length), None)
    examples = ready.train.kept
    batches = EpochBatches([each.tokens for each in examples], micro=4, accumulation=2, seed=params.seed, grouped=True)
    total = epochs * batches.steps

    def applied() -> Any:
        torch.manual_seed(3)
        return METHODS["lora"](load_model(tiny_model, "fp32", device="cpu"), params)

    watch = Watch(Record(), Schedule(total, frozenset(), None, 60.0), lambda _: None)
    trainer = SupervisedTrainer(applied(), Training(params, ready, batches, watch, tmp_path, "cpu"))
    trainer.train()

    model = applied().model.train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=params.learning_rate, weight_decay=params.weight_decay)
    losses: list[float] = []
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        numbers = list(batches)
        for start in range(0, len(numbers), 2):
            step = len(losses)
            warm = min(1.0, step / round(0.25 * total))
            left = (total - step) / (total - round(0.25 * total)) if schedule == "linear" else 1.0
            optimizer.param_groups[0]["lr"] = params.learning_rate * min(warm, left)
            parts = [
                collate([examples[number].encoded for number in each], params.prompt_loss_weight, 0)
                for each in numbers[start : start + 2]
            ]
            weight, loss = sum(part["weights"].sum() for part in parts), 0.0
            for part in parts:
                logits = model(input_ids=part["ids"], use_cache=False).logits.flatten(0, 1)[part["kept"]]
                each = torch.nn.functional.cross_entropy(logits, part["targets"], reduction="none")
                mean = (each * part["weights"]).sum() / weight
                mean.backward()
                loss += float(mean.detach())
            torch.nn.utils.clip_grad_norm_(trained, params.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss)
    assert watch.record.losses == pytest.approx(losses, abs=1e-4)
    theirs = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    assert max(float((a - b).detach().abs().max()) for a, b in zip(trained, theirs, strict=True)) < 1e-3
