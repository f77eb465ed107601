"""What tests of merges share: the parameters of a merge, the step that carries it out, and warnings of libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job
from executors.merge import MergeModels, MergeModelsParams

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Outcome

MARKS = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning"),
]


def values(method: str, count: int = 2, **numbers: Any) -> dict[str, Any]:
    """Parameters of a merge of `count` whole models."""
    shared = {"dtype": "fp32", "tokenizer": "base", "alignment": "none", "search": "none", "seed": 7}
    return {"method": method, "adapters": [False] * count} | shared | numbers


def perform(folder: Path, given: dict[str, Any], *sources: Path, base: Path | None = None) -> Outcome:
    """Merge `sources` into `folder`/out; what survives a kill lies in `folder`/kept."""
    inputs: dict[str, Path | str] = {f"source-{number}": source for number, source in enumerate(sources)}
    inputs |= {"base": base} if base else {}
    params, out, kept = MergeModelsParams.model_validate(given), folder / "out", folder / "kept"
    for each in (out, kept):
        each.mkdir(parents=True, exist_ok=True)
    return MergeModels().perform(Job("merge/models", params, inputs, out, kept, lambda event: None, folder))


def merge(folder: Path, given: dict[str, Any], *sources: Path, base: Path | None = None) -> Path:
    """The model that a merge leaves, which was read again, and beside which nothing is left."""
    outcome = perform(folder, given, *sources, base=base)
    assert outcome.notes["reloaded"] == "forward pass"
    assert [path.name for path in (folder / "out").iterdir()] == ["model"]
    assert not list((folder / "kept").iterdir())
    return folder / "out" / "model"
