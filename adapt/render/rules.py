"""The rule books on a terminal: the list, and one page a rule, threshold, fact or decision."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from adapt.render.units import plain
from planner.explanation.pages import DecisionPage, FactPage, RulePage, ThresholdPage, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import RenderableType

    from planner.explanation.pages import Catalogue, Page


def answer_of(rule: RulePage) -> str:
    """What a rule answers, or `never` what it forbids."""
    return f"never {', '.join(rule.vetoes)}" if rule.vetoes else plain(rule.answer)


def families(rules: Iterable[RulePage]) -> list[tuple[str, int, int, str]]:
    """Each family with its rules, the vetoes among them, and its decisions."""
    found = list(rules)
    total = Counter(rule.id[:3] for rule in found)
    vetoes = Counter(rule.id[:3] for rule in found if rule.vetoes)
    asked: dict[str, dict[str, None]] = {}
    for rule in found:
        asked.setdefault(rule.id[:3], {})[rule.decides] = None
    return [(name, total[name], vetoes[name], ", ".join(asked[name])) for name in sorted(total)]


def listing(pages: Catalogue, chosen: Mapping[str, RulePage]) -> RenderableType:
    """Counts by family, then every rule in the order of its decision."""
    counts = Table(box=None, pad_edge=False, header_style="bold")
    counts.add_column("Family")
    counts.add_column("Rules", justify="right")
    counts.add_column("Vetoes", justify="right")
    counts.add_column("Decisions", overflow="fold")
    for name, number, vetoes, asked in families(chosen.values()):
        counts.add_row(name, str(number), str(vetoes or ""), asked)
    rules = Table(box=None, pad_edge=False, header_style="bold")
    rules.add_column("Rule", no_wrap=True)
    rules.add_column("Decision", no_wrap=True)
    rules.add_column("Answer", max_width=34, overflow="fold")
    rules.add_column("Because", overflow="fold")
    before = ""
    for id_, rule in chosen.items():
        shown = "" if rule.decides == before else rule.decides
        rules.add_row(id_, shown, Text(answer_of(rule), style="red" if rule.vetoes else "green"), rule.name)
        before = rule.decides
    questions = len({rule.decides for rule in chosen.values()})
    total = f"{len(chosen)} rules of {questions} decision{'' if questions == 1 else 's'}; "
    total += f"{len(pages.thresholds)} thresholds, {len(pages.facts)} facts"
    return Group(Text(total, style="bold"), "", counts, "", rules)


def paper(page: Page) -> RenderableType:
    """One page."""
    if isinstance(page, RulePage):
        return _rule(page)
    if isinstance(page, ThresholdPage):
        return _threshold(page)
    return _decision(page) if isinstance(page, DecisionPage) else _fact(page)


def _lines(title: str, subtitle: str, parts: Iterable[tuple[str, Iterable[str]]]) -> RenderableType:
    """A heading, and under it named parts; those without lines are left out."""
    heading = Text(title, style="bold green")
    heading.append(f"  {subtitle}", style="not bold default")
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, lines in parts:
        for number, line in enumerate(lines):
            grid.add_row(name if number == 0 else "", Text(line))
    return Group(heading, grid)


def _cited(cite: Mapping[str, str]) -> list[str]:
    return [f"{source} [{key}]" for key, source in cite.items()]


def _rule(page: RulePage) -> RenderableType:
    joined = [
        f"{'' if not first and not second else 'and ' if second else 'or '}{line}"
        for first, row in enumerate(page.conditions)
        for second, line in enumerate(row or ("always",))
    ]
    examples = [
        f"{', '.join(f'{name} = {plain(value)}' for name, value in item.given.items()) or 'nothing known'}: "
        + ("holds" if item.holds else "does not hold")
        for item in page.examples
    ]
    since = f"version {page.since}" if page.since else ""
    parts = (
        ("decides", [f"{page.decides} ({page.asks})"]),
        ("answer", [answer_of(page)]),
        ("severity", [page.severity] if page.severity else []),
        ("because", [page.name]),
        ("when", joined),
        ("why", [page.why]),
        ("what to do", [page.fix] if page.fix else []),
        ("about", [page.about] if page.about else []),
        ("source", _cited(page.cite)),
        ("examples", examples),
        ("looks at", [f"{name}: {what}" for name, what in page.reads.items()]),
        ("thresholds", [", ".join(page.thresholds)] if page.thresholds else []),
        ("beside", [", ".join(page.beside)] if page.beside else []),
        ("book", [" ".join(part for part in (page.book, page.file, since) if part)]),
    )
    return _lines(page.id, "a veto" if page.vetoes else "a rule", parts)


def _threshold(page: ThresholdPage) -> RenderableType:
    used = [", ".join((*page.rules, *page.facts)) or "the code that writes the steps"]
    parts = (
        ("value", [value_of(page)]),
        ("why", [page.why]),
        ("changed", [page.reason] if page.reason else []),
        ("source", _cited(page.cite)),
        ("used by", used),
        ("book", [page.book]),
    )
    return _lines(page.name, "a threshold", parts)


def _decision(page: DecisionPage) -> RenderableType:
    parts = (
        ("asks", [page.asks]),
        ("answers", [page.takes]),
        ("settled", [page.policy]),
        ("default", [f"{plain(page.default)}, because {page.because}"]),
        ("rules", [", ".join(page.rules)] if page.rules else []),
        ("read by", [", ".join(page.read_by)] if page.read_by else []),
        ("source", _cited(page.cite)),
    )
    return _lines(page.name, f"a decision of a {page.of}", parts)


def _fact(page: FactPage) -> RenderableType:
    kinds = {"bool": "yes or no", "number": "a number", "word": "a word"}
    parts = (
        ("what", [page.what]),
        ("value", [kinds[page.value]]),
        ("unit", [page.unit] if page.unit else []),
        ("words", [", ".join(page.words)] if page.words else []),
        ("from", [", ".join(page.needs)] if page.needs else []),
        ("used by", [", ".join(page.rules) or "other facts and the code that writes the steps"]),
        ("source", _cited(page.cite)),
    )
    return _lines(page.name, "a fact", parts)
