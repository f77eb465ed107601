"""Training with rounded weights: the loss falls, and what is then rounded for good answers better for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from executors.models import load_model
from executors.train import TrainParams
from executors.train.methods.rounded import rounded
from planner.documents import InputError
from tests.executors.quantize.test_quantize import quantize
from tests.executors.quantize.test_quantize import values as form
from tests.executors.train import jobs
from tests.executors.train.jobs import make_job, params_of, perform

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Outcome

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The method's own parameters."""
    own = {"learning_rate": 0.01, "rounding": "int8-int4", "rounding_group": 32}
    monkeypatch.setitem(jobs.METHODS, "qat", own)


def trained(work: Path, base: Path, method: str, **changes: Any) -> tuple[Path, Outcome]:
    job = make_job(work, base, method=method, **changes)
    return job.out / "model", perform(job)


def test_what_is_trained_is_what_will_be_served(tmp_path: Path, tiny_model: Path) -> None:
    import torch

    folder, outcome = trained(tmp_path / "qat", tiny_model, "qat")
    assert outcome.metrics["train_loss"].value < 0.5 * math.log(400), "a vocabulary of 400 words, chosen at random"
    assert list(folder.glob("*.safetensors")), "a file like any other, not yet rounded"
    small, compared = quantize(tmp_path, folder, form("int8-int4", 4, group=32))
    assert compared.metrics["kl_divergence"].value > 0
    ids = torch.arange(5, 60)[None]
    whole, training = (load_model(folder, "bf16", device="cpu") for _ in range(2))
    rounded(training, TrainParams.model_validate(params_of("qat")))
    with torch.inference_mode():
        served = load_model(small, "bf16", device="cpu")(ids).logits
        apart = [float((model(ids).logits - served).abs().mean()) for model in (training, whole)]
    assert apart[0] < 0.1 * apart[1], "rounded in training as in the file, which the weights themselves are not"


def test_a_group_that_no_row_holds_is_one_sentence(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(InputError, match="whole groups of 96 weights"):
        trained(tmp_path, tiny_model, "qat", rounding_group=96)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"distribution": "fsdp", "devices": 2, "nodes": 1}, "qat rounds whole weights, which fsdp has not"),
        ({"rounding": None}, "sft by qat needs rounding"),
        ({"rounding": "nf4"}, "Input should be 'int4' or 'int8-int4'"),
    ],
)
def test_parameters_that_do_not_agree_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TrainParams.model_validate(params_of("qat", **changes))
