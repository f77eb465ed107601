from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.executors.tiny import make_tiny_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny chat model; read it, never write into it."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def tiny_base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without a chat template, as base models are."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "base", chat=False)
