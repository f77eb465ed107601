"""A tiny base with two adapters, served."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from executors.serve.app import Service
from executors.serve.engine import Engine
from executors.serve.variants import Served, Variant
from tests.executors.export.runs import make_lora
from tests.executors.serve.running import Running
from tests.executors.tiny import make_tiny_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    import openai


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("served")
    base = make_tiny_model(folder / "base")
    variants = [Variant(f"tenant-{seed}", make_lora(base, folder / f"a{seed}", seed=seed)) for seed in (1, 2)]
    return Served(base, "fp32", "none", (*variants, Variant("tiny/base")))


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
