"""A comment sets a finding aside when it names it, stands where it is, and says why; else the comment is a finding."""

from __future__ import annotations

import pytest

from planner.documents import Finding, Findings, ReviewedFile, Where
from planner.review.suppression import apply_comments, comments

FILE = "train.yml"
KNOWN = ("REV901", "REV902")
TEXT = """\
base_model: a/b   # adapt: ignore[REV901] the code of this model is ours
# adapt: ignore[REV902] measured on our data: 4 is enough

micro_batch_size: 4
note: "not a comment # adapt: ignore[REV901] in quotes"
path: a#adapt: ignore[REV901] no space before the sign
"""


def review_of(*at: tuple[str, int | None], file: str = FILE) -> Findings:
    findings = tuple(
        Finding(code=code, severity="warning", message="m", where=Where(file=file, line=line)) for code, line in at
    )
    read = ReviewedFile(file=file, tool="axolotl", recognised_by=("base_model",))
    return Findings(files=(read,), findings=findings)


def said(result: Findings) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.where.line) for finding in result.findings]


def test_a_comment_counts_on_its_own_line_and_on_the_line_below() -> None:
    result = apply_comments(review_of(("REV901", 1), ("REV902", 4)), {FILE: TEXT}, KNOWN)
    assert said(result) == []
    assert [(item.finding.code, item.by, item.reason) for item in result.suppressed] == [
        ("REV901", "inline", "the code of this model is ours"),
        ("REV902", "inline", "measured on our data: 4 is enough"),
    ]


def test_other_findings_and_other_lines_stay() -> None:
    before = review_of(("REV902", 1), ("REV901", 4), ("REV901", None))
    result = apply_comments(before, {FILE: TEXT}, KNOWN)
    assert result.suppressed == ()
    assert [each for each in result.findings if each.code in KNOWN] == sorted(
        before.findings, key=lambda each: each.where.line or 0
    )


def test_a_sign_inside_a_value_is_no_comment() -> None:
    assert [comment.line for comment in comments(TEXT, FILE)] == [1, 2]


def test_a_comment_may_name_several_findings_or_hold_for_the_whole_file() -> None:
    text = "# adapt: ignore-file[REV901, REV902] a demonstration, trained for one step\nbase_model: a/b\n"
    result = apply_comments(review_of(("REV901", None), ("REV902", 2)), {FILE: text}, KNOWN)
    assert said(result) == []
    assert len(result.suppressed) == 2


@pytest.mark.parametrize(
    ("comment", "code", "words"),
    [
        ("# adapt: ignore[REV901]", "SUP001", "gives no reason"),
        ("# adapt: ignore we know", "SUP001", "names no finding"),
        ("# adapt: ignore[] we know", "SUP001", "names no finding"),
        ("# adapt: ignore[REV91] we know", "SUP002", "names `REV91`"),
        ("# adapt: ignore[REV902] we know", "SUP003", "sets REV902 aside, which this review does not raise"),
    ],
)
def test_a_comment_that_is_no_good_is_a_note_and_sets_nothing_aside(comment: str, code: str, words: str) -> None:
    result = apply_comments(review_of(("REV901", 1)), {FILE: f"a: 1  {comment}\n"}, KNOWN)
    assert said(result) == [("REV901", 1), (code, 1)]
    (note,) = [each for each in result.findings if each.code == code]
    assert note.severity == "note"
    assert words in note.message
    assert result.suppressed == ()


def test_a_misspelt_code_is_told_with_the_nearest_one() -> None:
    result = apply_comments(review_of(), {FILE: "a: 1  # adapt: ignore[REV9O1] we know\n"}, KNOWN)
    assert "REV901" in result.findings[0].fix


def test_what_is_found_by_no_rule_can_be_set_aside_too() -> None:
    result = apply_comments(
        review_of(("CONF031", 1)), {FILE: "a: x  # adapt: ignore[CONF031] filled in later\n"}, KNOWN
    )
    assert said(result) == []


def test_toml_has_comments_and_json_has_none() -> None:
    line = "rank = 4 # adapt: ignore[REV901] small on purpose\n"
    assert len(comments(line, "spec.toml")) == 1
    assert comments(line, "spec.json") == ()


def test_a_comment_in_one_file_says_nothing_of_another() -> None:
    before = review_of(("REV901", 1), file="other.yml")
    result = apply_comments(before, {FILE: "a: 1  # adapt: ignore[REV901] we know\n", "other.yml": "a: 1\n"}, KNOWN)
    assert said(result) == [("REV901", 1), ("SUP003", 1)]


def test_a_review_without_comments_is_the_same_review() -> None:
    before = review_of(("REV901", 1))
    assert apply_comments(before, {FILE: "a: 1 # a comment\n"}, KNOWN) is before
