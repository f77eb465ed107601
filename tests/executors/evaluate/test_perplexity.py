from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from executors.data import Row
from executors.evaluate import Evaluate
from executors.evaluate.perplexity import cut, surprises
from executors.models import load_model, load_tokenizer
from executors.prompt.document import make_prompt
from executors.prompt.render import completion_ids, prompt_ids
from tests.executors.evaluate.test_evaluate import job, records
from tests.executors.tiny import tiny_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path


def test_every_token_of_the_answer_is_scored_once_with_a_context() -> None:
    for window in (4, 7, 16, None):
        for context, target in (
            ([], list(range(40))),
            (list(range(3)), list(range(3, 30))),
            (list(range(30)), [30, 31]),
        ):
            pieces = list(cut(0, context, target, window))
            scored = [token for piece in pieces for token in piece.ids[piece.start :]]
            assert scored == [*context, *target][max(len(context), 1) :]
            assert all(piece.start >= 1 and len(piece.ids) <= (window or 99) for piece in pieces)


@pytest.mark.slow
def test_perplexity_is_the_models_own_loss(tmp_path: Path, tiny_model: Path) -> None:
    import torch

    work, _ = job(tmp_path, tiny_model, metrics=["perplexity"], batch_size=3)
    outcome = Evaluate().perform(work)
    model, tokenizer = load_model(tiny_model, "fp32"), load_tokenizer(tiny_model)
    prompt, loss, tokens = make_prompt("Do as asked."), 0.0, 0
    for each in tiny_rows(10):
        context = prompt_ids(tokenizer, prompt, Row("x", each["prompt"], None))
        target = completion_ids(tokenizer, each["completion"])
        labels = torch.tensor([[-100] * len(context) + target])
        with torch.inference_mode():
            mean = float(model(torch.tensor([context + target]), labels=labels).loss)
        loss, tokens = loss + mean * len(target), tokens + len(target)
    found = outcome.metrics["perplexity"]
    assert found.value == pytest.approx(math.exp(loss / tokens), rel=1e-4)
    assert found.low is not None and found.high is not None and found.low < found.value < found.high
    assert found.n == 10
    [nll, scored] = records(work)[0]["counts"]["perplexity"]
    assert nll > 0 and scored > 1
    assert outcome.tokens == 0, "nothing is answered where only reading is asked for"


@pytest.mark.slow
def test_raw_text_is_read_whole_beyond_the_window(tmp_path: Path, tiny_model: Path) -> None:
    work, _ = job(tmp_path, tiny_model, metrics=["perplexity"])
    text = " ".join(row["prompt"] for row in tiny_rows(40)) * 4
    write_rows(tmp_path / "test.jsonl", [{"id": "long", "text": text}, {"id": "short", "text": "turn on"}])
    found = surprises(work, [Row("long", "", text), Row("short", "", "turn on")])
    tokens = len(load_tokenizer(tiny_model)(text)["input_ids"])
    assert tokens > 512
    assert found[0].tokens == tokens - 1
    assert Evaluate().perform(work).metrics["perplexity"].value > 1
