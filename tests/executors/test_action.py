from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from executors.action import action_key
from tests.executors.plans import write_step

values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-1, 1) | st.sampled_from(["", "a", "1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
params = st.dictionaries(st.sampled_from("ab"), values, max_size=2)
inputs = st.dictionaries(st.sampled_from("xy"), st.sampled_from(["sha256:1", "sha256:2"]), max_size=2)
work = st.fixed_dictionaries({"executor": st.sampled_from("pq"), "version": st.sampled_from("12"), "params": params})


def told_apart(value: Any) -> Any:
    """A value of which Python thinks as JSON does: 1, 1.0 and true are three things, the order of keys is none."""
    if isinstance(value, dict):
        return {name: told_apart(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [told_apart(item) for item in value]
    return (type(value).__name__, repr(value))


@given(one=st.tuples(work, inputs), other=st.tuples(work, inputs))
def test_the_key_changes_when_and_only_when_the_work_does(one: Any, other: Any) -> None:
    keys = [action_key(write_step("a/b", **fields), read) for fields, read in (one, other)]
    assert (keys[0] == keys[1]) == (told_apart(one) == told_apart(other))


@given(fields=work, read=inputs)
def test_where_the_work_stands_does_not_change_its_key(fields: Any, read: Any) -> None:
    reordered = dict(reversed(list(read.items())))
    other = write_step("other/place", title="another", rung="r", **fields)
    assert action_key(write_step("a/b", **fields), read) == action_key(other, reordered)
