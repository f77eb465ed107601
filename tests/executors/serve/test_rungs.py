"""A rung is served as it was measured: its prompt, its form, its passages, its queries, its labels."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import openai
import pytest

from executors.evaluate.executor import EvaluateParams
from executors.prompt.document import Example, make_prompt
from executors.serve.app import Service
from executors.serve.engine import Engine
from executors.serve.variants import Served, Variant
from tests.executors.serve.running import ASKED, Running, schema

if TYPE_CHECKING:
    from pathlib import Path

# peft asks transformers by a name that is on its way out.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")]


def test_a_rungs_prompt_and_form_are_those_it_was_measured_with(served: Served, tmp_path: Path) -> None:
    shown = Example(id="1", prompt="turn off the fan in the hall", completion="off")
    prompt = make_prompt("On or off?", (shown,))
    params = EvaluateParams.model_validate(
        {
            "metrics": ["label_accuracy"], "schema": None, "labels": ["on", "off"], "format": "label", "limit": None,
            "max_new_tokens": 8, "batch_size": 1, "dtype": "fp32", "decoding": "labels", "seed": 0,
        }
    )  # fmt: skip
    from executors.evaluate.case import AnswerForm
    from executors.serve.asked import Ask

    form = AnswerForm("label", None, ("on", "off"))
    engine = Engine(
        Served(served.folder, "fp32", "none", (Variant("run", None, prompt, {}, form, params), Variant("base")))
    )
    ready = engine.read(Ask("run", tuple(ASKED)))
    text = engine.tokenizer.decode(ready.ids)
    assert "On or off?" in text
    assert "turn off the fan in the hall" in text
    said: list[str] = []
    engine.answer(ready, said.append, lambda: False)
    assert "".join(said) in ("on", "off")
    repeated = ({"role": "system", "content": "On or off?"}, *ASKED)
    assert engine.read(Ask("run", repeated)).ids == ready.ids
    assert "On or off?" not in engine.tokenizer.decode(engine.read(Ask("base", tuple(ASKED))).ids)


def test_passages_of_an_index_stand_in_the_prompt(served: Served, tmp_path: Path) -> None:
    from executors.serve.asked import Ask
    from tests.executors.retrieve.test_retrieve import build  # the executor on a few documents

    index, _ = build(tmp_path)
    engine = Engine(
        Served(served.folder, "fp32", "none", (Variant("run", None, make_prompt("Answer."), {"index": index}),))
    )
    ready = engine.read(Ask("run", ({"role": "user", "content": "Who empties the bins?"},), max_tokens=4))
    assert ready.passages[0] == "bins.txt"
    assert "[1]" in engine.tokenizer.decode(ready.ids)


@pytest.mark.parametrize("use", ["plain", "alone", "added"])
def test_queries_are_worded_as_they_were_measured_to_find_most(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Any
) -> None:
    """The base words them, whatever adapter answers: as it does beside no server."""
    from executors.data import Row
    from executors.evaluate.generation import Generation, generate
    from executors.evaluate.rewriting import Rewriting, query_request
    from executors.merge.executor import fold
    from executors.models import load_model, load_tokenizer
    from executors.prompt.render import answer as read
    from executors.prompt.render import turn_end_id, turn_ids
    from executors.serve.asked import Ask
    from tests.executors.retrieve.test_retrieve import build

    index, _ = build(tmp_path)
    rewriting = Rewriting(use=use, max_new_tokens=20)
    (tmp_path / "rewriting").write_text(json.dumps(rewriting.to_json()))
    search = {"index": index, "rewriting": tmp_path / "rewriting"}
    one, two, _ = (variant.adapter or served.folder for variant in served.variants)
    base = tmp_path / "talkative"
    fold(served.folder, one, "fp32", base)
    engine = Engine(Served(base, "fp32", "none", (Variant("run", two, make_prompt("Answer."), search),)))
    asked: list[str] = []
    retrieve = engine.indexes["run"].retrieve

    def recorded(queries: Any, *more: Any) -> Any:
        asked.extend(queries)
        return retrieve(queries, *more)

    monkeypatch.setattr(engine.indexes["run"], "retrieve", recorded)
    question = "Who empties the bins?"
    engine.read(Ask("run", ({"role": "user", "content": question},), max_tokens=4))
    tokenizer, model = load_tokenizer(base), load_model(base, "fp32", device="cpu")
    turn = {"role": "user", "content": query_request(Row("1", question, None), rewriting.instruction)}
    how = Generation(20, 1, frozenset({turn_end_id(tokenizer)}), tokenizer.pad_token_id)
    [made] = generate(model, [turn_ids(tokenizer, [turn])], how)
    written = " ".join(read(tokenizer, made[0]).split())
    assert written
    assert asked == [{"plain": question, "alone": written, "added": f"{question}\n{written}"}[use]]


def test_a_head_answers_with_its_likeliest_label(served: Served, tmp_path: Path) -> None:
    """As it is measured: by the official client, with the likelihood of each label."""
    import torch

    from executors.heads import load_classifier
    from executors.models import load_tokenizer, save_model
    from executors.serve.labels import Labels

    tokenizer, labels = load_tokenizer(served.folder), ("on", "off", "dim")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(3)
        model = load_classifier(served.folder, "fp32", labels, tokenizer.pad_token_id, device="cpu")
    save_model(model, tokenizer, tmp_path / "head")
    params = EvaluateParams.model_validate(
        {
            "metrics": ["label_accuracy"], "schema": None, "labels": [*labels], "format": "label", "limit": None,
            "max_new_tokens": 8, "batch_size": 1, "dtype": "fp32", "decoding": "head", "seed": 0,
        }
    )  # fmt: skip
    what = Served(tmp_path / "head", "fp32", "none", (Variant("sorter", params=params),))
    assert what.labels
    with Running(Service(Labels(what))) as found:
        client = found.client()
        made = client.chat.completions.create(model="sorter", messages=ASKED, logprobs=True, top_logprobs=3)  # type: ignore[arg-type]
        with torch.inference_mode():
            ids = torch.tensor([tokenizer(ASKED[0]["content"])["input_ids"]])
            expected = model(ids).logits[0].log_softmax(-1)
        assert made.choices[0].message.content == labels[int(expected.argmax())]
        assert made.choices[0].logprobs is not None
        [told] = made.choices[0].logprobs.content or []
        assert {one.token: one.logprob for one in told.top_logprobs} == pytest.approx(
            dict(zip(labels, expected.tolist(), strict=True)), abs=1e-4
        )
        with pytest.raises(openai.BadRequestError, match="likeliest label"):
            client.chat.completions.create(model="sorter", messages=ASKED, response_format=schema({}))  # type: ignore[call-overload]
