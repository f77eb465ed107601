"""JUnit XML: what readers of test results count is what the review found."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from adapt.render.junit import junit
from tests.adapt.render.reviews import CLEAN, HINT, RESULT, TRAIN

if TYPE_CHECKING:
    from planner.documents import Findings, Severity


def parsed(result: Findings = RESULT, fail_on: Severity | None = "warning") -> ElementTree.Element:
    return ElementTree.fromstring(junit(result, fail_on).encode())  # noqa: S314 - made here


def test_every_file_is_a_suite_and_every_finding_a_case() -> None:
    root = parsed()
    assert [suite.get("name") for suite in root] == ["broken.yaml", TRAIN, "merge.yaml"]
    names = [case.get("name") for case in root.iter("testcase")]
    assert names == [
        "CONF021 line 3",
        "REV902",
        "REV901 line 7, learning_rate",
        "REV904 line 2, trust",
        "REV903 line 1",
        "REV905 m.0",
    ]


@pytest.mark.parametrize(
    ("fail_on", "failures"), [("error", ["REV902"]), ("warning", ["REV902", "REV901"]), (None, [])]
)
def test_what_the_review_fails_on_is_a_failure(fail_on: Severity | None, failures: list[str]) -> None:
    root = parsed(fail_on=fail_on)
    failed = [str(case.get("name")).split()[0] for case in root.iter("testcase") if case.find("failure") is not None]
    assert failed == failures
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("6", str(len(failures)), "1")


def test_what_is_set_aside_is_skipped_with_its_reason() -> None:
    root = parsed()
    assert root.get("skipped") == "2"
    messages = [each.get("message") for each in root.iter("skipped")]
    assert messages == ["set aside by a comment: the code is ours & pinned", "set aside by the baseline"]


def test_signs_that_xml_cannot_hold_are_replaced_and_others_escaped() -> None:
    assert "\x00" in HINT.message
    text = junit(RESULT, "note")
    assert "\x00" not in text
    assert "&lt;b&gt;not&lt;/b&gt;" in text
    assert "Seed \ufffd is not set." in [each.get("message") for each in parsed(fail_on="note").iter("failure")]


def test_a_clean_file_is_a_case_that_passes() -> None:
    root = parsed(CLEAN)
    (case,) = root.iter("testcase")
    assert (root.get("tests"), root.get("failures")) == ("1", "0")
    assert (case.get("classname"), len(case)) == ("merge.yaml", 0)
