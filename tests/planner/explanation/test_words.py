"""Values and comparisons are written as people say them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from planner.explanation.words import amount, missing_by, needed, share, short

if TYPE_CHECKING:
    from planner.documents import JsonValue


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (24_000_000_000, "bytes", "24.0 GB"),
        (812_000_000, "bytes", "812 MB"),
        (0.96, "fraction", "96%"),
        (9.156, "fraction", "9.156 times"),
        (8000, "rows", "8,000 rows"),
        (1, "tenants", "1 tenant"),
        (8_030_000_000, "parameters", "8.03 billion parameters"),
        (0.00024, "", "0.00024"),
        (7200, "s", "2.0 hours"),
        (12.5, "USD", "$12.50"),
        (True, "", "yes"),
        (False, "", "no"),
        (None, "", "no answer"),
        (["a", "b"], "", "a, b"),
        ([], "", "none"),
        ("qlora", "", "qlora"),
    ],
)
def test_a_value_is_written_with_its_unit(value: JsonValue, unit: str, text: str) -> None:
    assert amount(value, unit) == text


def test_a_share_of_memory_is_told_in_bytes() -> None:
    assert share(9.156, 25.8e9, "bytes") == "236.2 GB of 25.8 GB (9.2 times)"
    assert share(0.372, 25.8e9, "bytes") == "9.6 GB of 25.8 GB (37.2%)"


@pytest.mark.parametrize(
    ("test", "unit", "text"),
    [
        (">= 0.5", "fraction", "50% or more"),
        ("<= 8", "rows", "at most 8 rows"),
        ("< 5", "prompts", "less than 5 prompts"),
        ("> 0", "rows", "more than 0 rows"),
        ("!= 0", "rows", "more than 0 rows"),
        ("= true", "", "yes"),
        ("!= rare", "", "other than rare"),
        ("in [cpu, mps]", "", "one of cpu, mps"),
        ("1..1000", "rows", "1 row to 1,000 rows"),
        ("outside 1..1000", "rows", "outside 1 row to 1,000 rows"),
        ("not in [cpu, mps]", "", "not one of cpu, mps"),
        ("> 1", "times", "more than 1 times"),
    ],
)
def test_a_comparison_is_written_in_words(test: str, unit: str, text: str) -> None:
    assert needed(test, unit) == text


def test_a_comparison_of_a_share_is_written_in_bytes() -> None:
    assert needed("<= 1", "fraction", 24e9, "bytes") == "at most 24.0 GB"


@pytest.mark.parametrize(
    ("test", "value", "gap"),
    [
        ("<= 1", 9.0, (8.0, 9.0)),
        (">= 100", 25, (-75.0, 0.25)),
        ("> 0", 0, (0.0, None)),
        ("10..20", 25, (5.0, 1.25)),
        ("10..20", 5, (-5.0, 0.5)),
        ("= rare", "common", None),
        ("= true", False, None),
    ],
)
def test_how_far_a_number_is_from_passing(test: str, value: JsonValue, gap: Any) -> None:
    assert missing_by(test, value) == gap


def test_by_how_much_is_told_in_the_units_of_the_whole() -> None:
    assert short(8.0, "fraction", 24e9, "bytes") == "192.0 GB too much"
    assert short(-4400, "rows") == "4,400 rows short"
    assert short(-0.5, "fraction") == "50 points short"
    assert short(0.0, "rows") == ""
