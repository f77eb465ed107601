from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from executors.blob_cache import BlobCache

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@given(st.dictionaries(st.binary(min_size=1, max_size=8), st.binary(max_size=20), max_size=30), st.binary(max_size=8))
def test_what_was_put_is_got_back_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, values: dict[bytes, bytes], other: bytes
) -> None:
    path = tmp_path_factory.mktemp("cache") / "blobs.sqlite"
    with BlobCache(path) as cache:
        cache.put(values)
    with BlobCache(path) as again:
        assert again.get([*values, other]) == {**values} | ({other: values[other]} if other in values else {})


def test_thousands_of_keys_are_asked_at_once(tmp_path: Path) -> None:
    values = {str(number).encode(): b"x" for number in range(5000)}
    with BlobCache(tmp_path / "blobs.sqlite") as cache:
        cache.put(values)
        assert cache.get(list(values)) == values
