from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from executors.train.params import TrainParams
from tests.executors.train.jobs import make_job, params_of, perform

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing")]


def test_what_is_folded_between_restarts_adds_up_to_more_than_the_rank(tiny_model: Path, tmp_path: Path) -> None:
    import torch

    from executors.models import load_model

    job = make_job(tmp_path, tiny_model, method="relora", rank=2, alpha=4.0, restarts=3, epochs=4.0)
    notes = perform(job).notes
    assert notes["steps"] == 16
    before, after = (load_model(folder, "fp32", device="cpu") for folder in (tiny_model, job.out / "model"))
    name = "model.layers.0.mlp.up_proj.weight"
    change = after.state_dict()[name] - before.state_dict()[name]
    assert 2 < int(torch.linalg.matrix_rank(change, rtol=1e-4)) <= 4 * 2


def test_the_rate_rises_anew_after_every_restart() -> None:
    from executors.train.restarts import steps_between, with_warmups

    assert steps_between(100, 3) == 25
    rate = with_warmups(lambda _: 1.0, 25, 0.03)
    assert [round(rate(step), 1) for step in (0, 24, 25, 27, 29, 30, 49, 50)] == [1, 1, 0.2, 0.6, 1, 1, 1, 0.2]


def test_the_states_of_the_old_adapters_are_forgotten() -> None:
    import torch

    from executors.train.restarts import Restarts

    class State:
        global_step = 5

    model = torch.nn.ModuleDict({"lora_A": torch.nn.Linear(2, 2), "score": torch.nn.Linear(2, 2)})
    wrapped = torch.nn.ModuleDict({"inner": model})
    optimizer = torch.optim.AdamW(wrapped.parameters())
    sum(weight.sum() for weight in wrapped.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()
    Restarts(5, 10, 0).on_step_end(None, State, None, model=wrapped, optimizer=optimizer)
    names = {id(weight): name for name, weight in wrapped.named_parameters()}
    assert {names[id(weight)] for weight in optimizer.state} == {"inner.score.weight", "inner.score.bias"}


def test_parts_of_weights_cannot_be_folded_into() -> None:
    with pytest.raises(ValidationError, match="relora folds adapters into whole weights, which fsdp has not"):
        TrainParams.model_validate(params_of("relora", distribution="fsdp", devices=2, nodes=1))
