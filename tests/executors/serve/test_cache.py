"""A server whose cache is kept in fewer bits answers as evaluation measures it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from executors.serve.asked import Ask
from executors.serve.engine import Engine, check_cache
from executors.serve.variants import Served, Variant
from planner.documents import InputError
from tests.executors.serve.running import ASKED

if TYPE_CHECKING:
    from pathlib import Path

    from executors.quantized import KvCache

# peft asks transformers by a name that is on its way out.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")]


@pytest.mark.parametrize("kept", ["int8", "int4"])
def test_answers_are_those_that_are_measured_with_such_a_cache(served: Served, kept: KvCache) -> None:
    from executors.evaluate.generation import Generation, generate
    from executors.prompt.render import answer, turn_end_id, turn_ids

    engine = Engine(replace(served, kv_cache=kept))
    ids = turn_ids(engine.tokenizer, ASKED)
    stops = frozenset({turn_end_id(engine.tokenizer)})
    how = Generation(12, 1, stops, engine.tokenizer.pad_token_id, kv_cache=kept)
    for name in ("tenant-1", "tiny/base"):
        said: list[str] = []
        engine.answer(engine.read(Ask(name, tuple(ASKED), max_tokens=12)), said.append, lambda: False)
        with engine._using(engine.variants[name]):
            [made] = generate(engine.model, [ids], how)
        assert "".join(said) == answer(engine.tokenizer, made[0])


def test_an_adapter_that_is_a_cache_itself_is_refused(served: Served, tmp_path: Path) -> None:
    from executors.models import load_model

    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "PREFIX_TUNING"}))
    prefixed = replace(served, variants=(Variant("prefixed", tmp_path),), kv_cache="int8")
    with pytest.raises(InputError, match="The adapter of prefixed brings keys and values of its own"):
        check_cache(load_model(served.folder, "fp32", device="cpu"), prefixed)
