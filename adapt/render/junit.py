"""A review as JUnit XML: a suite for every file, a case for every finding, a failure where the review fails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from adapt.render.review_words import TOOLS, by_file, place, sources, unread
from planner.documents.review import RANK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Finding, Findings, Severity, Suppressed

# What XML 1.0 cannot hold, even escaped.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(result: Findings, fail_on: Severity | None) -> str:
    """The review for readers of test results.

    Args:
        result: the review.
        fail_on: findings of this severity or worse are failures, the others pass with their text; null: none fails.
    """
    root = ElementTree.Element("testsuites", name="adapt review")
    not_read = unread(result)
    for name, file, findings in by_file(result):
        aside = [item for item in result.suppressed if (item.finding.where.file or "") == name]
        suite = ElementTree.SubElement(root, "testsuite", name=_clean(name or "adapt review"))
        for finding in findings:
            _case(suite, finding, fail_on, _text(finding, result.references), is_error=finding in not_read)
        for item in aside:
            _skipped(suite, item)
        if file is not None and not findings and not aside:
            ElementTree.SubElement(
                suite, "testcase", classname=_clean(name), name=f"nothing found ({TOOLS[file.tool]})", time="0"
            )
        _count(suite)
    for word in ("tests", "failures", "errors", "skipped"):
        root.set(word, str(sum(int(suite.get(word, "0")) for suite in root)))
    root.set("time", "0")
    ElementTree.indent(root)
    return "<?xml version='1.0' encoding='UTF-8'?>\n" + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, finding: Finding, fail_on: Severity | None, text: str, *, is_error: bool) -> None:
    case = _test(suite, finding)
    fails = fail_on is not None and RANK[finding.severity] >= RANK[fail_on]
    if is_error or fails:
        tag = "error" if is_error else "failure"
        problem = ElementTree.SubElement(case, tag, type=finding.severity, message=_clean(finding.message))
        problem.text = text
    else:
        ElementTree.SubElement(case, "system-out").text = text


def _skipped(suite: ElementTree.Element, item: Suppressed) -> None:
    by = "by a comment" if item.by == "inline" else "by the baseline"
    message = f"set aside {by}: {item.reason}" if item.reason else f"set aside {by}"
    ElementTree.SubElement(_test(suite, item.finding), "skipped", message=_clean(message))


def _test(suite: ElementTree.Element, finding: Finding) -> ElementTree.Element:
    at = place(finding)
    name = f"{finding.code} {at}" if at else finding.code
    file = finding.where.file or "adapt review"
    case = ElementTree.SubElement(suite, "testcase", classname=_clean(file), name=_clean(name), time="0")
    if finding.where.file:
        case.set("file", _clean(file))
        case.set("line", str(finding.where.line or 1))
    return case


def _count(suite: ElementTree.Element) -> None:
    suite.set("tests", str(len(suite)))
    for word, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(word, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", "0")


def _text(finding: Finding, own: Mapping[str, str]) -> str:
    """Everything there is to say of a finding."""
    lines = [f"{finding.severity} {finding.code} {finding.where}".rstrip(), finding.message]
    lines += [f"{word}: {text}" for word, text in (("why", finding.why), ("fix", finding.fix)) if text]
    lines += [f"source: {' '.join(source).rstrip()}" for source in sources(finding.cite, own)]
    return _clean("\n".join(lines))


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
