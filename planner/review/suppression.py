"""Findings that a comment in the configuration sets aside: `# adapt: ignore[RHY102] the reason`.

The comment stands on the line of the finding, or on lines of its own right above it. `ignore-file[...]` holds for the
whole file, also for values that the file leaves to the tool's default. JSON has no comments: a baseline serves there.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from planner.documents import Document, Finding, Findings, Suppressed, Where

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_COMMENT = re.compile(r"#\s*adapt:\s*ignore(?P<whole>-file)?\b\s*(?:\[(?P<codes>[^\]]*)\])?(?P<reason>.*)$")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'')
NO_REASON = "SUP001"
UNKNOWN_CODE = "SUP002"
UNUSED = "SUP003"


class Comment(Document):
    """One comment that sets findings aside."""

    file: str
    line: int
    """Where it stands, counted from 1."""
    codes: tuple[str, ...]
    reason: str
    covers: int | None
    """The line that it is about; null for the whole file."""

    def is_about(self, finding: Finding) -> bool:
        """Whether a finding is one of those that the comment names."""
        if finding.code not in self.codes or finding.where.file != self.file:
            return False
        return self.covers is None or finding.where.line in (self.line, self.covers)


def comments(text: str, file: str) -> tuple[Comment, ...]:
    """The suppressing comments of a YAML or TOML text, from top to bottom.

    Args:
        text: content of the file.
        file: its path, as the findings name it; a file called `.json` has no comments.
    """
    if "adapt:" not in text or file.lower().endswith(".json"):
        return ()
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines, start=1):
        match = _COMMENT.search(_QUOTED.sub(lambda quoted: "_" * len(quoted[0]), line))
        if match is None or (match.start() and not line[match.start() - 1].isspace()):
            continue
        codes = tuple(code.strip() for code in (match["codes"] or "").split(",") if code.strip())
        stands_alone = not line[: match.start()].strip()
        covers = None if match["whole"] else _next_line(lines, number) if stands_alone else number
        reason = line[match.start("reason") :].strip(" \t:-")
        found.append(Comment(file=file, line=number, codes=codes, reason=reason, covers=covers))
    return tuple(found)


def _next_line(lines: list[str], number: int) -> int:
    """The first line below that holds more than a comment."""
    for below, line in enumerate(lines[number:], start=number + 1):
        if line.strip() and not line.lstrip().startswith("#"):
            return below
    return number


def apply_comments(findings: Findings, texts: Mapping[str, str], known: Collection[str]) -> Findings:
    """The findings with those set aside that a comment names, and a note for every comment that is no good.

    Args:
        findings: what the rules found.
        texts: the content of the files, by the name that the findings use.
        known: the codes of all rules; what was found has a known code too.
    """
    every = [comment for file, text in sorted(texts.items()) for comment in comments(text, file)]
    if not every:
        return findings
    good = [comment for comment in every if comment.codes and comment.reason]
    kept, aside, used = [], list(findings.suppressed), set()
    for finding in findings.findings:
        by = next((comment for comment in good if comment.is_about(finding)), None)
        if by is None:
            kept.append(finding)
        else:
            aside.append(Suppressed(finding=finding, by="inline", reason=by.reason))
            used.add((by.file, by.line, finding.code))
    codes = {*known, *(finding.code for finding in findings.findings)}
    notes = [note for comment in every for note in _notes(comment, codes, used)]
    return findings.model_copy(
        update={
            "findings": tuple(sorted((*kept, *notes), key=in_order)),
            "suppressed": tuple(sorted(aside, key=lambda each: in_order(each.finding))),
        }
    )


def in_order(finding: Finding) -> tuple[str, int, str, str, str]:
    """The order of findings: file, line, code, place in the file."""
    where = finding.where
    return where.file or "", where.line or 0, finding.code, where.pointer or "", finding.message


def _notes(comment: Comment, known: Collection[str], used: set[tuple[str, int, str]]) -> list[Finding]:
    """What is wrong with a comment itself."""
    if not comment.codes:
        return [_note(comment, NO_REASON, "names no finding, so it sets none aside.", _FORM)]
    if not comment.reason:
        return [_note(comment, NO_REASON, "gives no reason, so it sets nothing aside.", _FORM)]
    notes = []
    for code in comment.codes:
        if code not in known:
            close = get_close_matches(code.upper(), sorted(known), n=1)
            hint = f"Did you mean `{close[0]}`?" if close else "`adapt rules list` has the ids."
            notes.append(_note(comment, UNKNOWN_CODE, f"names `{code}`, which no rule has.", hint))
        elif (comment.file, comment.line, code) not in used:
            place = "this file" if comment.covers is None else f"line {comment.covers}"
            fix = "Remove it, unless other options of the review raise the finding."
            notes.append(
                _note(comment, UNUSED, f"sets {code} aside, which this review does not raise on {place}.", fix)
            )
    return notes


_FORM = "Write `# adapt: ignore[CODE] the reason`."


def _note(comment: Comment, code: str, what: str, fix: str) -> Finding:
    where = Where(file=comment.file, line=comment.line)
    return Finding(code=code, severity="note", message=f"The comment {what}", fix=fix, where=where)
