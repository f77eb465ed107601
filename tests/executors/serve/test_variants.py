"""Which models a run is served as, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import adapt
from executors.serve.variants import served
from executors.sources import sources_of
from planner.documents import InputError
from tests.executors.export.runs import finished_run
from tests.executors.tiny import make_tiny_model

if TYPE_CHECKING:
    from pathlib import Path

    from executors.sources import Sources

pytestmark = pytest.mark.slow


def of(plan: Path) -> Sources:
    return sources_of(adapt.load(plan), plan.parent)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("runs") / "one", "one")


def test_the_best_rung_has_the_plans_name_and_the_base_its_own(one: Path) -> None:
    found = served([of(one)])
    assert [variant.name for variant in found.variants] == ["one", "one:zero-shot", "tiny/base"]
    best, prompted, plain = found.variants
    assert best.adapter is not None
    assert best.prompt is not None
    assert best.answer_tokens == 8
    assert prompted.adapter is None
    assert (plain.adapter, plain.prompt) == (None, None)
    assert found.dtype == "fp32"


def test_runs_on_one_base_are_served_together(one: Path, tmp_path: Path) -> None:
    two = finished_run(tmp_path / "two", "one", seed=2, base=one.parent / "base")
    names = [variant.name for variant in served([of(one), of(two)]).variants]
    assert names == ["one", "one:zero-shot", "one@2", "one:zero-shot@2", "tiny/base"]


def test_runs_on_different_bases_are_refused(one: Path, tmp_path: Path) -> None:
    two = finished_run(tmp_path / "two", "two", base=make_tiny_model(tmp_path / "other", seed=3))
    with pytest.raises(InputError, match="different bases"):
        served([of(one), of(two)])


def test_a_plan_that_was_not_run_is_refused(tmp_path: Path) -> None:
    plan = finished_run(tmp_path / "one")
    (tmp_path / "one" / ".adapt").rename(tmp_path / "away")
    with pytest.raises(InputError, match="no rung that was measured"):
        served([of(plan)])
