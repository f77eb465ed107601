"""What variants take to store, as a plan tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapt.render.storage import storage
from planner.documents import FactRecord, Step
from tests.executors.plans import make_plan

if TYPE_CHECKING:
    from planner.documents import Plan


def plan(*outputs: str, **facts: Any) -> Plan:
    records = tuple(FactRecord(name=name, value=value) for name, value in facts.items())
    step = Step(address="train/one", title="t", executor="train", version="1", outputs=outputs)
    return make_plan(step, facts=records)


@pytest.mark.parametrize(
    ("tenants", "merged", "shared", "sentence"),
    [
        (
            100, 27 * 10**9, 10**9,
            "Storage for 100 variants: 27.0 GB merged, 1.0 GB as one base with adapters, 27.0 times less",
        ),
        (1, 269 * 10**6, 279 * 10**6, "Storage for one variant: 269 MB merged, 279 MB as one base with adapters"),
    ],
)  # fmt: skip
def test_merged_and_shared_stand_side_by_side(tenants: int, merged: int, shared: int, sentence: str) -> None:
    assert storage(plan("adapter", tenants=tenants, merged_copies_bytes=merged, shared_base_bytes=shared)) == sentence


def test_nothing_is_said_without_adapters_or_sizes() -> None:
    sizes = {"tenants": 2, "merged_copies_bytes": 2, "shared_base_bytes": 1}
    assert storage(plan("model", **sizes)) == ""
    assert storage(plan("adapter", **sizes | {"shared_base_bytes": None})) == ""
