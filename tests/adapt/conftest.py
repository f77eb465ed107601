"""Specs in folders, for the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.adapt.commands import adapt
from tests.planner.specs import spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["adapt"]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes the declared spec, with changes, as spec.json in an empty folder."""

    def make(**changes: Any) -> Path:
        path = tmp_path / "spec.json"
        path.write_text(json.dumps(spec(**changes)), encoding="utf-8")
        return path

    return make
