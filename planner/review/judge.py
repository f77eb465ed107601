"""From the rules that hold to findings: a sentence with the values found, the place, and what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from planner.documents import Finding, Where
from planner.documents.review import RANK
from planner.facts import FACTS, Board, Unknown
from planner.review import facts as _facts  # noqa: F401 - registers the facts that the rules read
from planner.rules import evaluate
from planner.survey.problems import first_of
from planner.survey.problems import shown as short

if TYPE_CHECKING:
    from planner.documents import Cell, RuleTrace
    from planner.documents.review import Setting
    from planner.review.configuration import Configuration
    from planner.review.options import Options
    from planner.rules import Table
    from planner.rules.book import Rule

_NAMED = re.compile(r"@([a-z][a-z0-9_]*)")
PREFIX = "config_"


def judge(configuration: Configuration, options: Options, table: Table) -> tuple[Finding, ...]:
    """Every finding of the table's rules about one configuration, in the order of the book."""
    board = Board({"configuration": configuration, "options": options, "thresholds": table.thresholds})
    rules = {row.rule.id: row.rule for row in table.rows.get("findings", ())}
    held = [
        (rules[trace.rule], trace)
        for decision in evaluate(table, board, {})
        if decision.question == "findings"
        for trace in decision.trace
        if trace.verdict == "holds"
    ]
    return tuple(_finding(rule, trace, configuration, board) for rule, trace in _once(held))


def _once(held: list[tuple[Rule, RuleTrace]]) -> list[tuple[Rule, RuleTrace]]:
    """Of rules that say the same of the same setting, the gravest; of equals the first."""
    best: dict[tuple[str, str], tuple[Rule, RuleTrace]] = {}
    for rule, trace in held:
        key = (rule.about or rule.id, str(rule.answer))
        known = best.get(key)
        if known is None or RANK[rule.severity or "warning"] > RANK[known[0].severity or "warning"]:
            best[key] = (rule, trace)
    return list(best.values())


def _finding(rule: Rule, trace: RuleTrace, configuration: Configuration, board: Board) -> Finding:
    return Finding(
        code=rule.id,
        severity=rule.severity or "warning",
        message=_message(rule, trace, configuration, board),
        why=rule.why,
        fix=_filled(rule.fix, board),
        where=_where(rule, trace, configuration),
        cite=rule.cite,
    )


def _where(rule: Rule, trace: RuleTrace, configuration: Configuration) -> Where:
    """The place of the setting that the rule is about, else of the first setting that it looked at."""
    read = [cell.fact.removeprefix(PREFIX) for cell in _holding(trace)]
    for name in (rule.about, *read):
        setting = configuration.settings.get(name)
        if setting is not None and setting.stated and setting.where.line is not None:
            return setting.where
    return Where(file=configuration.file)


def _holding(trace: RuleTrace) -> tuple[Cell, ...]:
    """The cells of the row that holds."""
    return next((row for row in trace.rows if all(cell.verdict == "holds" for cell in row)), ())


def _message(rule: Rule, trace: RuleTrace, configuration: Configuration, board: Board) -> str:
    name = _filled(rule.name, board)
    parts = []
    setting = configuration.settings.get(rule.about)
    if setting is not None and setting.value is not None and rule.about != "secret":
        parts.append(_said(setting, configuration.written(rule.about)))
    for cell in _holding(trace):
        entry = FACTS.get(cell.fact)
        own = cell.fact.removeprefix(PREFIX)
        # A name that holds values of its own says what has to be said.
        if entry is None or entry.kind != "number" or own == rule.about or "@" in rule.name:
            continue
        other = configuration.settings.get(own)
        words = f"`{other.name}`" if other is not None else own.replace("_", " ")
        unit = "" if not entry.unit or entry.unit == "fraction" or words.endswith(entry.unit) else f" {entry.unit}"
        unit = unit.removesuffix("s") if cell.value == 1 else unit
        parts.append(f"{words}: {shown(cell.value)}{unit} (raised when {cell.test})")
    return f"{name[0].upper()}{name[1:]}{': ' if parts else ''}{'; '.join(parts)}."


def _said(setting: Setting, written: Any) -> str:
    """What a setting is, in the file's own words, and whether it is the tool's default."""
    if not setting.stated and isinstance(setting.value, bool | str):
        return f"`{setting.name}` is not set"
    if not setting.stated:
        return f"`{setting.name}` is {shown(setting.value)}, the tool's default"
    if isinstance(setting.value, list) and written is None:
        return f"`{setting.name}` lists {shown(setting.value)}"
    return f"`{setting.name}` is {shown(setting.value if written is None else written)}"


def _filled(text: str, board: Board) -> str:
    """The text with every `@fact` replaced by its value."""

    def value(match: re.Match[str]) -> str:
        found = board.get(match[1])
        return "unknown" if isinstance(found, Unknown) else shown(found, quoted=False)

    return _NAMED.sub(value, text)


#: From here on the digits after the point say nothing.
ROUNDED = 100


def shown(value: Any, *, quoted: bool = True) -> str:
    """A value as people write it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:,.0f}" if value == int(value) or abs(value) >= ROUNDED else f"{value:.3g}"
    if isinstance(value, list):
        return first_of([f"`{str(item).removesuffix('@train')}`" for item in value])
    if isinstance(value, str):
        return f"`{short(value)}`" if quoted else value
    return str(value)
