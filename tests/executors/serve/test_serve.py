"""The server as its clients meet it: the official client, two adapters at once, and everything that can be wrong."""

from __future__ import annotations

import json
import socket
import threading
import time
import warnings
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Literal

import openai
import pytest
from pydantic import BaseModel

from executors.evaluate.executor import EvaluateParams
from executors.prompt.document import Example, make_prompt
from executors.serve.app import Service, make_app
from executors.serve.engine import Engine
from executors.serve.server import bind
from executors.serve.variants import Served, Variant
from planner.documents import InputError
from tests.executors.tiny import make_tiny_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# peft asks transformers by a name that is on its way out.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")]
ASKED = [{"role": "user", "content": "turn on the lamp in the kitchen"}]


def make_adapter(base: Path, folder: Path, seed: int) -> Path:
    """A LoRA with random weights of some size, so that it changes every answer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    torch.manual_seed(seed)
    config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear", init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        get_peft_model(model, config).save_pretrained(folder, save_embedding_layers=False)
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("served")
    base = make_tiny_model(folder / "base")
    variants = [Variant(f"tenant-{seed}", make_adapter(base, folder / f"a{seed}", seed)) for seed in (1, 2)]
    return Served(base, "fp32", "none", (*variants, Variant("tiny/base")))


def schema(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "lamp", "schema": values}}


class Lamp(BaseModel):
    """What an answer shall tell."""

    room: Literal["kitchen", "hall"]
    on: bool


class Running:
    """A server in a thread."""

    def __init__(self, service: Service) -> None:
        import uvicorn

        self.service, self.socket = service, bind("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.server = uvicorn.Server(uvicorn.Config(make_app(service), log_level="error", lifespan="on"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.clients: list[openai.OpenAI] = []

    def __enter__(self) -> Running:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()

    def client(self, key: str = "none") -> openai.OpenAI:
        made = openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=60)
        self.clients.append(made)
        return made


@pytest.fixture(scope="module")
def running(served: Served) -> Iterator[Running]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        engine = Engine(served)
    with Running(Service(engine)) as found:
        yield found


@pytest.fixture
def client(running: Running) -> openai.OpenAI:
    return running.client()


def answer(client: openai.OpenAI, model: str, **more: Any) -> str:
    made = client.chat.completions.create(model=model, messages=ASKED, max_tokens=12, **more)  # type: ignore[call-overload]
    text = made.choices[0].message.content
    assert isinstance(text, str)
    return text


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


def test_what_changes_no_answer_may_be_said(client: openai.OpenAI) -> None:
    more: dict[str, Any] = {"user": "me", "metadata": {"a": "b"}, "store": False, "tools": [], "logit_bias": None}
    assert answer(client, "tenant-1", **more, extra_body={"top_k": None}) == answer(client, "tenant-1")


@pytest.mark.parametrize(
    ("more", "status", "word"),
    [
        ({"model": "tenant-3"}, 404, "tenant-"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}, 400, "of the user"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": 5000}, 400, "reads 512 tokens"),
        ({"temperature": 3}, 400, "temperature"),
        ({"top_p": 0}, 400, "top_p"),
        ({"n": 2}, 400, "n:"),
        ({"stop": ["a"] * 5}, 400, "stop"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "tools"),
        ({"top_logprobs": 2}, 400, "come with logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, 400, "top_logprobs"),
        ({"logprobs": True, "stream": True}, 400, "not in a stream"),
        ({"response_format": {"type": "json_schema"}}, 400, "response_format"),
        ({"response_format": schema({"type": "lamp"})}, 400, "cannot be constrained"),
        ({"response_format": schema({"$ref": "#/nowhere"})}, 400, "cannot be constrained"),
        ({"extra_body": {"top_k": 5}}, 400, "top_k: this server does not know it"),
        ({"messages": [*ASKED, {"role": "assistant", "content": "x", "tool_calls": [{}]}]}, 400, "tool_calls"),
    ],
)
def test_what_cannot_be_done_is_refused(client: openai.OpenAI, more: dict[str, Any], status: int, word: str) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(**{"model": "tenant-1", "messages": ASKED, **more})
    assert refused.value.status_code == status
    error: Any = refused.value.body
    assert word in error["message"]
    assert error["type"] == "invalid_request_error"
    assert (error["code"] == "model_not_found") == (status == 404)


def test_a_body_of_ten_megabytes_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="tenant-1", messages=[{"role": "user", "content": "x" * 10_000_000}])
    assert refused.value.status_code == 413
    assert answer(client, "tenant-1")


def sent(running: Running, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    """Status and JSON of an answer to raw bytes."""
    connection = HTTPConnection(*running.socket.getsockname(), timeout=30)
    connection.request(method, path, body)
    answered = connection.getresponse()
    found = answered.status, json.loads(answered.read())
    connection.close()
    return found


@pytest.mark.parametrize("body", [b"{bad", b"", b"\xff\xfe", b"[1]", b"3"])
def test_a_body_that_is_no_object_is_refused(running: Running, body: bytes) -> None:
    status, answered = sent(running, "POST", "/v1/chat/completions", body)
    assert status == 400
    assert "JSON" in answered["error"]["message"]


def test_other_paths_and_methods_are_told_in_the_same_shape(running: Running) -> None:
    for path, status in (("/v1/nothing", 404), ("/v1/chat/completions", 405)):
        found, answered = sent(running, "GET", path)
        assert found == status
        assert answered["error"]["type"] == "invalid_request_error"
    assert sent(running, "GET", "/health") == (200, {"status": "ok"})


def test_a_key_is_asked_for(served: Served) -> None:
    with Running(Service(Engine(served), key="right")) as found:
        with pytest.raises(openai.AuthenticationError):
            found.client("wrong").models.list()
        assert len(list(found.client("right").models.list())) == 3


class Slow:
    """An engine that answers when it is let."""

    def __init__(self, served: Served) -> None:
        self.variants = {variant.name: variant for variant in served.variants}
        self.go, self.begun, self.given_up = threading.Event(), threading.Event(), threading.Event()

    def read(self, ask: Any) -> Any:
        from executors.serve.asked import Ready

        return Ready(ask, self.variants[ask.model], [1], 4, ())

    def answer(self, ready: Any, say: Any, stopped: Any) -> Any:
        from executors.serve.asked import Done

        say("a")
        self.begun.set()
        while not self.go.is_set() and not stopped():
            time.sleep(0.01)
        if stopped():
            self.given_up.set()
        return Done(1, 1, "stop")


def test_a_full_queue_is_told(served: Served) -> None:
    engine = Slow(served)
    with Running(Service(engine, queue=2)) as found:
        threads = [threading.Thread(target=answer, args=(found.client(), "tenant-1")) for _ in range(2)]
        for thread in threads:
            thread.start()
        while len(found.service.open) < 2:
            time.sleep(0.01)
        with pytest.raises(openai.InternalServerError) as refused:
            answer(found.client(), "tenant-1")
        assert refused.value.status_code == 503
        assert refused.value.response.headers["retry-after"] == "1"
        engine.go.set()
        for thread in threads:
            thread.join()
        assert answer(found.client(), "tenant-1") == "a"
        assert not found.service.open


@pytest.mark.parametrize("stream", [True, False])
def test_nobody_is_answered_who_has_gone(served: Served, *, stream: bool) -> None:
    engine = Slow(served)
    with Running(Service(engine)) as found:
        host, port = found.socket.getsockname()
        body = json.dumps({"model": "tenant-1", "messages": ASKED, "stream": stream})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((host, port)) as connection:
            connection.sendall((head + body).encode())
            while not found.service.open:
                time.sleep(0.01)
            time.sleep(0.1)
        assert engine.given_up.wait(10)
        while found.service.open:
            time.sleep(0.01)


def test_an_end_lets_go_of_answers_on_their_way(served: Served) -> None:
    engine, told = Slow(served), list[str]()
    with Running(Service(engine)) as found:
        thread = threading.Thread(target=lambda: told.append(answer(found.client(), "tenant-1")))
        thread.start()
        assert engine.begun.wait(60)
        for one in found.service.open:
            one.stop.set()
        thread.join(60)
    assert told == ["a"]
    assert engine.given_up.is_set()


def test_an_end_refuses_what_has_not_begun(served: Served) -> None:
    """A request whose turn has not come is told so, and does not wait for ever."""
    engine, told = Slow(served), list[openai.APIStatusError]()

    def refused(client: openai.OpenAI) -> None:
        with pytest.raises(openai.InternalServerError) as error:
            answer(client, "tenant-2")
        told.append(error.value)

    with Running(Service(engine)) as found:
        first = threading.Thread(target=answer, args=(found.client(), "tenant-1"))
        first.start()
        assert engine.begun.wait(60)
        second = threading.Thread(target=refused, args=(found.client(),))
        second.start()
        while len(found.service.open) < 2:
            time.sleep(0.01)
        for one in found.service.open:
            one.stop.set()
        first.join(60)
        second.join(60)
    assert [(error.status_code, error.code) for error in told] == [(503, "stopping")]


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


def test_a_port_in_use_is_told() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(InputError, match="in use"):
        bind("127.0.0.1", taken.getsockname()[1])
