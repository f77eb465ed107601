"""A quantized model is measured like any other, and the notes say how its weights were read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executors.evaluate import Evaluate
from executors.models import load_model
from planner.documents import InputError
from tests.executors.evaluate.test_evaluate import job
from tests.executors.quantize.test_quantize import quantize, values

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.mark.parametrize(("method", "bits"), [("int8", 8), ("nf4", 4), ("torchao-int8", 8), ("gguf", 8)])
def test_a_quantized_model_answers_every_case(tmp_path: Path, tiny_model: Path, method: str, bits: int) -> None:
    folder, _ = quantize(tmp_path, tiny_model, values(method, bits))
    (tmp_path / "evaluated").mkdir()
    work, _ = job(tmp_path / "evaluated", folder)
    outcome = Evaluate().perform(work)
    assert outcome.tokens
    assert outcome.notes.get("weights") == ("dequantized from GGUF" if method == "gguf" else None)


def test_weights_that_are_quantized_are_not_rounded_while_they_load(tmp_path: Path, tiny_model: Path) -> None:
    folder, _ = quantize(tmp_path, tiny_model, values("nf4", 4))
    with pytest.raises(InputError, match="quantized already"):
        load_model(folder, "bf16", device="cpu", quantization="int8")
