from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.executors.finetunes import make_family, make_finetune

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`base` and its finetunes `one`, `two` and `three`; read them, never write into them."""
    folder = tmp_path_factory.mktemp("family")
    found = make_family(folder)
    return found | {"three": make_finetune(found["base"], folder / "three", seed=3)}
