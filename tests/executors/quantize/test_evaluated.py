"""A quantized model is measured like any other, and the notes say how its weights were read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executors.evaluate import Evaluate
from executors.models import load_model
from executors.quantize.rounding import load_any
from planner.documents import InputError
from tests.executors.evaluate.test_evaluate import job
from tests.executors.quantize.test_quantize import quantize, values

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.mark.parametrize(
    ("method", "bits"), [("int8", 8), ("nf4", 4), ("torchao-int8", 8), ("int8-int4", 4), ("gguf", 8)]
)
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


@pytest.mark.parametrize(("method", "bits"), [("int8", 8), ("nf4", 4), ("torchao-int8", 8)])
def test_a_classifier_is_rounded_but_for_its_head_and_labels_as_before(
    tmp_path: Path, tiny_model: Path, method: str, bits: int
) -> None:
    from executors.heads import labels_of

    base = classifier(tmp_path / "base", tiny_model)
    folder, outcome = quantize(tmp_path, base, values(method, bits))
    assert outcome.metrics["kl_divergence"].value < 0.05
    assert labels_of(folder, None) == ("no", "yes")
    (tmp_path / "evaluated").mkdir()
    work, _ = job(tmp_path / "evaluated", folder, decoding="head", metrics=["label_accuracy"], format="label")
    assert Evaluate().perform(work).notes["answered_by"] == "a head"
    model = load_any(folder, "bf16")
    assert "float" in str(model.score.weight.dtype), "the head is small, and everything hangs on it"


def test_gguf_of_a_classifier_is_one_sentence(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(InputError, match="has a head over labels, and gguf files are made of models that write"):
        quantize(tmp_path, classifier(tmp_path / "base", tiny_model), values("gguf", 8))
    assert not list((tmp_path / "out").iterdir())


def classifier(folder: Path, base: Path) -> Path:
    """The tiny model with a head over two labels, drawn at random."""
    import torch

    from executors.heads import load_classifier
    from executors.models import load_tokenizer, save_model

    torch.manual_seed(3)
    tokenizer = load_tokenizer(base)
    save_model(load_classifier(base, "fp32", ("no", "yes"), tokenizer.pad_token_id), tokenizer, folder)
    return folder
