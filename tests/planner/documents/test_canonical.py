"""One text and one digest for a value, whatever the order of its keys."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.documents import canonical_json, digest, pretty_json

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def same(one: Any, two: Any) -> bool:
    """Equality of JSON: `true` is not `1`, and `1` is not `1.0`."""
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(value, two[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(two) and all(same(left, right) for left, right in zip(one, two, strict=True))
    if isinstance(one, float):
        return one == two and math.copysign(1, one) == math.copysign(1, two)
    return bool(one == two)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(VALUES)
def test_the_order_of_keys_does_not_matter(value: Any) -> None:
    assert canonical_json(value) == canonical_json(shuffled(value))
    assert digest(value) == digest(shuffled(value))


@given(VALUES, VALUES)
def test_digests_are_equal_if_and_only_if_the_values_are(one: Any, two: Any) -> None:
    assert (digest(one) == digest(two)) == same(one, two)
    assert digest(one) == digest(json.loads(canonical_json(one)))


@given(VALUES)
def test_both_texts_read_back_as_the_value(value: Any) -> None:
    assert same(json.loads(canonical_json(value)), value)
    assert same(json.loads(pretty_json(value)), value)
    assert pretty_json(value).endswith("\n")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_cannot_say_are_refused(number: float) -> None:
    for write in (canonical_json, pretty_json, digest):
        with pytest.raises(ValueError, match="JSON compliant"):
            write({"value": [number]})


def test_a_digest_names_its_algorithm() -> None:
    assert digest({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
