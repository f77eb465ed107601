"""Answers as the official client gets them: by name, in whole and in pieces, counted, drawn, held to a form."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Literal

import pytest
from pydantic import BaseModel

from tests.executors.serve.running import ASKED, answer, schema

if TYPE_CHECKING:
    import openai

    from executors.serve.variants import Served

# peft asks transformers by a name that is on its way out.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")]


class Lamp(BaseModel):
    """What an answer shall tell."""

    room: Literal["kitchen", "hall"]
    on: bool


def test_models_are_listed_by_name(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tenant-1", "tenant-2", "tiny/base"]
    assert client.models.retrieve("tiny/base").id == "tiny/base"


def test_answers_are_those_of_the_library(client: openai.OpenAI, served: Served) -> None:
    """Each name answers as base and adapter do in peft alone, whatever was asked before it."""
    from executors.evaluate.generation import Generation, generate
    from executors.models import load_adapter, load_model, load_tokenizer
    from executors.prompt.render import answer as read
    from executors.prompt.render import turn_end_id, turn_ids

    tokenizer = load_tokenizer(served.folder)
    ids = turn_ids(tokenizer, ASKED)
    how = Generation(12, 1, frozenset({turn_end_id(tokenizer)}), tokenizer.pad_token_id)
    for _ in range(2):
        for variant in served.variants:
            model = load_model(served.folder, "fp32", device="cpu")
            model = load_adapter(model, variant.adapter) if variant.adapter else model
            [made] = generate(model, [ids], how)
            assert answer(client, variant.name) == read(tokenizer, made[0]), variant.name


def test_two_adapters_answer_at_once(client: openai.OpenAI) -> None:
    """Requests to both that come together are answered as each is answered alone."""
    names = ["tenant-1", "tenant-2", "tiny/base"]
    alone = {name: answer(client, name) for name in names}
    assert len(set(alone.values())) == 3
    found: list[tuple[str, str]] = []

    def ask(name: str) -> None:
        found.append((name, answer(client, name)))

    threads = [threading.Thread(target=ask, args=(name,)) for name in names * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 9
    assert all(alone[name] == text for name, text in found)


def test_a_stream_is_the_whole_in_pieces(client: openai.OpenAI) -> None:
    made = client.chat.completions.create(
        model="tenant-1",
        messages=ASKED,
        max_tokens=12,
        stream=True,
        stream_options={"include_usage": True},  # type: ignore[arg-type]
    )
    chunks = list(made)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == answer(client, "tenant-1")
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] in ("stop", "length")
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens
    assert len([chunk for chunk in chunks if chunk.choices]) > 3


def test_tokens_are_counted(client: openai.OpenAI, served: Served) -> None:
    from executors.models import load_tokenizer
    from executors.prompt.render import turn_ids

    made = client.chat.completions.create(model="tiny/base", messages=ASKED, max_tokens=5)  # type: ignore[arg-type]
    assert made.usage is not None
    assert made.usage.prompt_tokens == len(turn_ids(load_tokenizer(served.folder), ASKED))
    assert made.usage.completion_tokens <= 5
    assert made.choices[0].finish_reason == "length"


def test_a_stop_text_ends_the_answer_in_whole_and_in_pieces(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="tiny/base", prompt="turn on the", max_tokens=40).choices[0].text
    stop = whole[4:7]
    made = client.completions.create(model="tiny/base", prompt="turn on the", max_tokens=40, stop=[stop, "never seen"])
    assert made.choices[0].text == whole[: whole.find(stop)]
    assert made.choices[0].finish_reason == "stop"
    pieces = client.completions.create(model="tiny/base", prompt="turn on the", max_tokens=40, stop=stop, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == made.choices[0].text


def test_drawn_answers_follow_the_seed(client: openai.OpenAI) -> None:
    drawn = [answer(client, "tiny/base", temperature=1.5, top_p=0.95, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_little_of_the_likeliest_is_the_likeliest(client: openai.OpenAI) -> None:
    assert answer(client, "tiny/base", temperature=1.0, top_p=0.000001, seed=3) == answer(client, "tiny/base")


@pytest.mark.parametrize("name", ["tenant-1", "tiny/base"])
def test_an_answer_keeps_to_the_schema_that_its_request_brings(client: openai.OpenAI, name: str) -> None:
    """The model has learned nothing: without the schema its answer is no JSON."""
    made = client.chat.completions.parse(model=name, messages=ASKED, response_format=Lamp)  # type: ignore[arg-type]
    assert isinstance(made.choices[0].message.parsed, Lamp)
    assert made.choices[0].finish_reason == "stop"
    streamed = client.chat.completions.create(
        model=name,
        messages=ASKED,
        stream=True,
        response_format=schema(Lamp.model_json_schema()),  # type: ignore[call-overload]
    )
    assert Lamp.model_validate_json("".join(chunk.choices[0].delta.content or "" for chunk in streamed))


def test_any_object_is_json_too(client: openai.OpenAI) -> None:
    made = client.chat.completions.create(
        model="tiny/base",
        messages=ASKED,
        max_tokens=60,
        response_format={"type": "json_object"},  # type: ignore[arg-type]
    )
    text = made.choices[0].message.content or ""
    assert text.startswith("{")
    assert made.choices[0].finish_reason == "length" or isinstance(json.loads(text), dict)


def test_tokens_are_told_with_their_likelihood_by_the_model(client: openai.OpenAI, served: Served) -> None:
    import torch

    from executors.models import load_model, load_tokenizer
    from executors.prompt.render import turn_ids

    made = client.chat.completions.create(
        model="tiny/base",
        messages=ASKED,
        max_tokens=6,
        logprobs=True,
        top_logprobs=2,  # type: ignore[arg-type]
    )
    assert made.choices[0].logprobs is not None
    told = made.choices[0].logprobs.content or []
    tokenizer, model = load_tokenizer(served.folder), load_model(served.folder, "fp32", device="cpu")
    ids = turn_ids(tokenizer, ASKED)
    assert told
    for one in told:
        with torch.inference_mode():
            found = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        best = found.topk(2)
        assert [other.logprob for other in one.top_logprobs] == pytest.approx(best.values.tolist(), abs=1e-3)
        assert one.logprob == pytest.approx(float(best.values[0]), abs=1e-3)
        assert one.token == tokenizer.decode([int(best.indices[0])])
        ids = [*ids, int(best.indices[0])]
    assert client.chat.completions.create(model="tiny/base", messages=ASKED, max_tokens=2).choices[0].logprobs is None  # type: ignore[arg-type]
