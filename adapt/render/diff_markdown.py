"""A difference as Markdown, for a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapt.render import diff_words as words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.difference import DecisionChange, Difference


def markdown(found: Difference) -> str:
    """The whole difference, ending in a newline."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Difference) -> Iterator[str]:
    yield f"## Plan `{found.new.name}`: what changed"
    yield ""
    yield f"**{words.headline(found)}**"
    if not found.matters:
        return
    yield from _list("", [words.change(item) for item in found.status])
    given = [f"{part} {line}" for part, lines in words.given(found).items() for line in lines]
    yield from _list("Given otherwise", given)
    if found.decisions:
        yield from ("", "### Decided otherwise", "", "| decision | was | is | because |", "|---|---|---|---|")
        yield from (_row(item) for item in found.decisions)
    steps = []
    for item in found.steps:
        cause = f": because {words.causes(item.causes)}" if item.causes else ""
        steps.append(f"{item.change} **{item.address}**{cause}")
        steps += [f"  - {_cell(line)}" for line in words.step_lines(item.changes)]
    yield from _list("Done otherwise", steps)
    yield from _list("Budget", [words.change(item) for item in found.budget])
    for title, items in (("New warnings", found.warnings_new), ("Warnings that are gone", found.warnings_gone)):
        yield from _list(title, [f"`{item.code}` {item.message} {item.fix}".rstrip() for item in items])


def _list(title: str, lines: list[str]) -> Iterator[str]:
    if lines and title:
        yield from ("", f"### {title}")
    if lines:
        yield ""
        yield from (line if line.startswith("  - ") else f"- {_cell(line)}" for line in lines)


def _row(item: DecisionChange) -> str:
    reasons = [words.because(item.new)] if item.new is not None else []
    reasons += [f"{words.fact(fact)}" for fact in item.facts]
    if not item.facts and item.causes:
        reasons.append(words.causes(item.causes))
    cells = (item.question, words.answer(item.old), words.answer(item.new), "; ".join(reasons))
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    """Text that neither ends a cell nor starts a tag."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
