"""A review on a terminal: file by file, each finding with its reason and its cure."""

from __future__ import annotations

from adapt.render.review import review_text
from tests.adapt.render.reviews import CLEAN, RESULT


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_a_file_says_what_it_is_how_that_was_known_and_what_it_needs() -> None:
    said = lines(review_text(RESULT))
    assert "configs/train 1.yml: Axolotl (by base_model, adapter)" in said
    assert "memory 91.0 GB (80.0 GB to 99.0 GB) a device, on A10G" in said
    assert "not judged: the rows of acme/data are not known" in said
    assert "broken.yaml: not read" in said


def test_a_finding_says_its_place_its_reason_its_cure_and_its_source() -> None:
    said = " ".join(review_text(RESULT).split())
    assert "warning REV901 line 7, learning_rate: The learning rate 2e-05" in said
    assert "why: Adapters learn at about ten times the rate." in said
    assert "fix: Set learning_rate to 2e-4." in said
    assert "source: Schulman" in said
    assert "source: a-key-that-no-catalog-has source: Our team (2026): Sweeps of spring. https://example.org" in said


def test_the_last_line_counts_what_was_found_and_what_was_set_aside() -> None:
    assert lines(review_text(RESULT))[-1] == (
        "3 files: 2 errors, 1 warning, 1 note; set aside: 1 by baseline, 1 by comment"
    )
    assert lines(review_text(CLEAN))[-1] == "1 file: nothing found"


def test_what_is_set_aside_says_by_whom_and_why() -> None:
    assert "set aside by a comment: REV904 at configs/train 1.yml:2: the code is ours & pinned" in review_text(RESULT)
