"""Queries over the tables of databases: a request says of which, or there is only one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openai
import pytest

from executors.prompt.document import make_prompt
from executors.serve.app import Service
from executors.serve.asked import Ask, NoDatabaseError
from executors.serve.engine import Engine
from executors.serve.variants import Served, Variant
from tests.executors.serve.running import Running

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow
TABLES = {"shop": "CREATE TABLE item (price REAL);", "zoo": "CREATE TABLE animal (name TEXT);"}
ASKED = [{"role": "user", "content": "How many are there?"}]


@pytest.fixture(scope="module")
def engine(served: Served) -> Engine:
    prompts = {
        "both": make_prompt("Write SQL.", tables=TABLES),
        "one": make_prompt("Write SQL.", tables=dict([*TABLES.items()][:1])),
    }
    variants = tuple(Variant(name, None, prompt) for name, prompt in prompts.items())
    return Engine(Served(served.folder, "fp32", "none", (*variants, Variant("base"))))


@pytest.fixture(scope="module")
def client(engine: Engine) -> Iterator[openai.OpenAI]:
    with Running(Service(engine)) as running:
        yield running.client()


def read(engine: Engine, model: str, database: str | None = None, content: str = "How many are there?") -> str:
    ready = engine.read(Ask(model, ({"role": "user", "content": content},), database=database, max_tokens=4))
    text: str = engine.tokenizer.decode(ready.ids)
    return text


def test_the_tables_of_the_database_stand_before_the_request(engine: Engine) -> None:
    assert TABLES["zoo"] in read(engine, "both", "zoo")
    assert TABLES["shop"] not in read(engine, "both", "zoo")
    assert TABLES["shop"] in read(engine, "one")
    own = "CREATE TABLE own (a INT);\nHow many?"
    assert not any(told in read(engine, "both", content=own) for told in TABLES.values())


def test_a_model_that_was_measured_on_none_knows_none(engine: Engine) -> None:
    with pytest.raises(NoDatabaseError, match="does not know the database `shop`"):
        read(engine, "base", "shop")


def test_the_official_client_names_it_beyond_the_interface(client: openai.OpenAI) -> None:
    told = {model.id: (model.model_extra or {}).get("databases") for model in client.models.list()}
    assert told == {"both": ["shop", "zoo"], "one": ["shop"], "base": None}
    made = client.chat.completions.create(model="both", messages=ASKED, max_tokens=2, extra_body={"database": "zoo"})  # type: ignore[arg-type]
    assert made.usage is not None


@pytest.mark.parametrize(
    ("more", "words"),
    [({}, "several databases: name one as `database`, of shop, zoo"), ({"database": "zo"}, "Did you mean `zoo`")],
)
def test_a_request_that_names_none_of_several_is_told_which_there_are(
    client: openai.OpenAI, more: dict[str, str], words: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=words) as refused:
        client.chat.completions.create(model="both", messages=ASKED, max_tokens=2, extra_body=more)  # type: ignore[arg-type]
    assert refused.value.param == "database"
