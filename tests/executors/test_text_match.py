from __future__ import annotations

import pytest

from executors.text_match import contains, find_label

LETTERS = ("A", "B", "C", "D")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("B", "B"),
        ("(C) because it is so", "C"),
        ("The answer is D.", "D"),
        ("A good question: it is B", "B"),
        ("It is a choice between b and c.", None),
        ("I'd say A", "A"),
        ("A. Paris", "A"),
    ],
)
def test_a_choice_is_found_by_its_letter_and_an_article_is_none(text: str, found: str | None) -> None:
    assert find_label(text, LETTERS) == found
    assert all(contains(text, letter) == (letter == found) for letter in LETTERS if letter != "A" or found == "A")


def test_words_are_found_whatever_their_case() -> None:
    assert find_label("It is ON hold.", ("on", "on hold")) == "on hold"
    assert contains("In PARIS, of course", "paris")
    assert not contains("Parisian", "paris")
