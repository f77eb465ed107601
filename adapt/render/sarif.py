"""A review as SARIF 2.1.0, in the shape that code hosting services accept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from adapt.render.review_words import sources, unread
from planner.documents import pretty_json
from planner.documents.review import RANK
from planner.review.baseline import fingerprints, values_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Finding, Findings, Suppressed

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# What code hosting services take of one run.
MOST_RESULTS = 25_000
# Where a rule's name takes up what was found, such as `@config_memory_gb`.
_VALUE = re.compile(r"@(?:config_)?([a-z][a-z0-9_]*)")
ROOT = "%SRCROOT%"
_GRADES = {"error": "error", "warning": "warning", "note": "recommendation"}
KINDS = {"inline": "inSource", "baseline": "external"}


def sarif(result: Findings, names: Mapping[str, str], version: str, folder: Path) -> str:
    """The review as a SARIF log with one run.

    Args:
        result: the review.
        names: the short description of rules, by code.
        version: of adapt.
        folder: what the paths of the files are relative to: the root of the repository.
    """
    pairs = _ordered(result)
    shown = pairs[:MOST_RESULTS]
    rules = sorted({finding.code: finding for finding, _ in reversed(shown)}.items())
    index = {code: number for number, (code, _) in enumerate(rules)}
    marks = fingerprints((finding for finding, _ in pairs), values_of(result), folder)
    results = [
        _result(finding, aside, index[finding.code], mark.fingerprint, folder)
        for (finding, aside), mark in zip(shown, marks, strict=False)
    ]
    driver: dict[str, Any] = {
        "name": "adapt",
        "fullName": "adapt review",
        "semanticVersion": version,
        "rules": [_rule(finding, names.get(code, ""), result.references) for code, finding in rules],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "adapt-review/"},
        "originalUriBaseIds": {ROOT: {"description": {"text": "The folder in which the review ran."}}},
        "invocations": [_invocation(result, len(pairs) - len(shown), folder)],
        "results": results,
    }
    return pretty_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _ordered(result: Findings) -> list[tuple[Finding, Suppressed | None]]:
    """All findings with what set them aside; the worst first only when there are too many for one run."""
    pairs: list[tuple[Finding, Suppressed | None]] = [(finding, None) for finding in result.findings]
    pairs += [(item.finding, item) for item in result.suppressed]
    if len(pairs) > MOST_RESULTS:
        pairs.sort(key=lambda pair: (pair[1] is not None, -RANK[pair[0].severity]))
    return pairs


def _rule(finding: Finding, name: str, own: Mapping[str, str]) -> dict[str, Any]:
    """What a reader is told of a rule, once for all its results."""
    short = _VALUE.sub(lambda match: f"({match[1].replace('_', ' ')})", name or finding.message).rstrip(".")
    why = finding.why or finding.message
    found = sources(finding.cite, own)
    text = "\n".join([why, *(f"Source: {' '.join(source).rstrip()}" for source in found)])
    links = [f"- [{_plain(label)}](<{address}>)" if address else f"- {_plain(label)}" for label, address in found]
    markdown = "\n".join([why, "", "Sources:", "", *links]) if links else why
    rule: dict[str, Any] = {
        "id": finding.code,
        "shortDescription": {"text": short[:1].upper() + short[1:] + "."},
        "fullDescription": {"text": why},
        "help": {"text": text, "markdown": markdown},
        "defaultConfiguration": {"level": finding.severity},
        "properties": {"tags": ["finetuning", "language-model"], "problem.severity": _GRADES[finding.severity]},
    }
    address = next((address for _, address in found if address), None)
    return rule | ({"helpUri": address} if address else {})


def _result(finding: Finding, aside: Suppressed | None, index: int, mark: str, folder: Path) -> dict[str, Any]:
    """One finding; where no line is known the first line stands for the file."""
    short = mark.removeprefix("sha256:")
    properties = {"fix": finding.fix, "pointer": finding.where.pointer}
    suppressions = []
    if aside is not None:
        suppressions = [{"kind": KINDS[aside.by], "status": "accepted"} | _justification(aside)]
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": " ".join(part for part in (finding.message, finding.fix) if part)},
        "locations": [_location(finding, folder)],
        "partialFingerprints": {"adaptFinding/v1": short, "primaryLocationLineHash": f"{short[:16]}:1"},
        "suppressions": suppressions,
        "properties": {key: value for key, value in properties.items() if value},
    }


def _justification(aside: Suppressed) -> dict[str, str]:
    return {"justification": aside.reason} if aside.reason else {}


def _location(finding: Finding, folder: Path) -> dict[str, Any]:
    line = max(1, finding.where.line or 1)
    return {"physicalLocation": {"artifactLocation": _artifact(finding, folder), "region": {"startLine": line}}}


def _artifact(finding: Finding, folder: Path) -> dict[str, str]:
    """The file from the folder, percent-encoded; a file outside of it by its whole address."""
    path = (folder / (finding.where.file or ".")).absolute()
    try:
        inside = Path(*_normal(path)).relative_to(Path(*_normal(folder.absolute())))
    except ValueError:
        return {"uri": Path(*_normal(path)).as_uri()}
    return {"uri": quote(inside.as_posix()), "uriBaseId": ROOT}


def _normal(path: Path) -> list[str]:
    """The parts of a path without `..`; links are not followed, so that names stay those of the repository."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and len(parts) > 1:
            parts.pop()
        elif part != "..":
            parts.append(part)
    return parts


def _invocation(result: Findings, left_out: int, folder: Path) -> dict[str, Any]:
    """Whether every file was read, and what was left out."""
    problems = unread(result)
    notices = [
        {
            "level": "error",
            "descriptor": {"id": finding.code},
            "message": {"text": finding.message},
            "locations": [_location(finding, folder)],
        }
        for finding in problems
    ]
    if left_out:
        text = f"{left_out} results are left out: a run holds at most {MOST_RESULTS}."
        notices.append({"level": "warning", "message": {"text": text}})
    return {"executionSuccessful": not problems, "toolExecutionNotifications": notices}


def _plain(text: str) -> str:
    return text.replace("[", "(").replace("]", ")")
