"""Writes the confusion table of the corpus into docs/review.md: `python -m tests.review_corpus.table`."""

from __future__ import annotations

from pathlib import Path

from tests.review_corpus.corpus import FAULTS, cases, confusion

PAGE = Path(__file__).parents[2] / "docs" / "review.md"
BEGIN, END = "<!-- confusion table: begin -->", "<!-- confusion table: end -->"


def table() -> str:
    """The table in Markdown."""
    rows = confusion()
    faulty = sum(bool(case.plants) for case in cases())
    lines = [f"{faulty} configurations with faults, {len(cases()) - faulty} clean ones.", ""]
    lines += ["| fault | found | missed | raised wrongly |", "|---|---|---|---|"]
    lines += [f"| {FAULTS[row.fault]} | {row.found} | {row.missed} | {row.wrong} |" for row in rows]
    found, missed, wrong = (sum(getattr(row, name) for row in rows) for name in ("found", "missed", "wrong"))
    return "\n".join([*lines, f"| all | {found} | {missed} | {wrong} |"])


def page(text: str) -> str:
    """The page with the table of today."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
