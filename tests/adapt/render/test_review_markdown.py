"""Markdown for a pull request: a table that holds, details folded away, nothing that breaks out of its place."""

from __future__ import annotations

from adapt.render.review_markdown import LONGEST, review_markdown
from planner.documents import Finding, Findings, Where
from tests.adapt.render.reviews import CLEAN, RESULT, TRAIN


def test_every_finding_is_one_row_of_the_table() -> None:
    rows = [line for line in review_markdown(RESULT).splitlines() if line.startswith("| :")]
    assert len(rows) == 4
    for row in rows:
        assert row.replace("\\|", "").count("|") == 5
    assert f"`{TRAIN}:7`" in rows[2]
    assert "warning" in rows[2]


def test_signs_of_markdown_and_html_in_a_message_stay_text() -> None:
    text = review_markdown(RESULT)
    assert "<b>" not in text
    assert "\\*LoRA\\*" in text
    mention = Finding(code="REV901", severity="note", message="Ask @everyone about `x`.", where=Where(file="a.yml"))
    assert "@everyone" not in review_markdown(Findings(findings=(mention,)))


def test_the_details_tell_tool_memory_reason_cure_and_source() -> None:
    text = review_markdown(RESULT)
    assert "Axolotl, memory 91.0 GB (80.0 GB to 99.0 GB) a device, on A10G" in text
    assert "- Why: Adapters learn at about ten times the rate." in text
    assert "- Fix: Set learning\\_rate to 2e-4." in text
    assert "- Source: [Our team (2026): Sweeps of spring.](<https://example.org/sweeps>)" in text
    assert text.count("<details>") == text.count("</details>") == 4


def test_what_is_set_aside_is_listed_with_its_reason() -> None:
    assert "- REV904 at `configs/train 1.yml`, by a comment: the code is ours & pinned" in review_markdown(RESULT)


def test_a_clean_review_says_so() -> None:
    text = review_markdown(CLEAN)
    assert "1 file: nothing found" in text
    assert "| place |" not in text


def test_a_review_that_is_too_long_for_a_comment_is_cut_and_says_so() -> None:
    many = tuple(
        Finding(code="REV901", severity="note", message="m" * 200, where=Where(file=f"{number}.yml", line=1))
        for number in range(400)
    )
    text = review_markdown(Findings(findings=many))
    assert LONGEST * 0.9 < len(text) < 65_536
    assert "a comment holds no more" in text
    assert text.splitlines()[-3].endswith("| REV901 |")
