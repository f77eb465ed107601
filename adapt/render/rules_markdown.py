"""The whole catalogue as one Markdown page: decisions with their rules, thresholds, facts, sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapt.render.rules import answer_of, families
from adapt.render.units import plain
from planner.explanation.pages import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from planner.explanation.pages import Catalogue, DecisionPage, RulePage

INTRO = """# The rules

Everything that `adapt` decides, and everything that `adapt review` finds, is a row on this page. It is written by
`adapt rules list --markdown`; the rows themselves stand in `planner/rules/core` and `planner/rules/review`, with the
examples that are their tests. `adapt rules show ID` prints one of them.

How a decision is made: a **veto** forbids answers that cannot work. What is left is answered by the pin of the spec
(`overrides`), else by the rules of the user's own books, else by the rules below in their order, else by the default.
A condition on a fact that is not known never holds. `$name` stands for a threshold, `@name` for the value of a fact.
"""
FORMS = {"bool": "yes or no", "number": "number", "word": "word"}


def rules_markdown(pages: Catalogue) -> str:
    """The page, ending with a line break."""
    cited: dict[str, str] = {}
    blocks = [INTRO, *_contents(pages)]
    for of, title in (("plan", "Decisions of a plan"), ("review", "Findings of a review")):
        found = [decision for decision in pages.decisions.values() if decision.of == of]
        if found:
            blocks.append(f"## {title}\n")
            blocks += [_decision(decision, pages.rules, cited) for decision in found]
    blocks += ["## Thresholds\n", _thresholds(pages, cited), "## Facts\n", _facts(pages, cited)]
    blocks += ["## Sources\n", "\n".join(f"- **{key}**: {text}" for key, text in sorted(cited.items())) + "\n"]
    return "\n".join(blocks)


def _contents(pages: Catalogue) -> Iterator[str]:
    """What there is, by decision and by family."""
    total = len(pages.rules)
    yield f"{total} rules, {len(pages.thresholds)} thresholds and {len(pages.facts)} facts.\n"
    yield "## Contents\n"
    yield "| decision | asks | rules |\n|---|---|---:|"
    for name, decision in pages.decisions.items():
        yield f"| [{name}](#{name}) | {_cell(decision.asks)} | {len(decision.rules)} |"
    yield "\n[Thresholds](#thresholds), [facts](#facts), [sources](#sources).\n"
    yield "| family | rules | vetoes | decides |\n|---|---:|---:|---|"
    for family, count, vetoes, asked in families(pages.rules.values()):
        yield f"| {family} | {count} | {vetoes} | {asked} |"
    yield ""


def _decision(page: DecisionPage, rules: Mapping[str, RulePage], cited: dict[str, str]) -> str:
    cited.update(page.cite)
    lines = [f"### {page.name}\n", f"*{page.asks}* {page.policy}\n", f"Answers: {page.takes}.\n"]
    files = {rules[id_].file for id_ in page.rules}
    before = ""
    for id_ in page.rules:
        rule = rules[id_]
        if len(files) > 1 and rule.file != before:
            lines.append(f"\n#### {_topic(rule.file)} ({id_[:3]})\n")
            before = rule.file
        lines.append(_rule(rule, cited))
    because = f"because {page.because}{_keys(page.cite)}"
    if page.policy.startswith("Every"):
        lines.append(f"\nNothing, when no rule holds: {because}.\n")
    else:
        lines.append(f"\nElse **{plain(page.default)}**, {because}.\n")
    return "\n".join(lines)


def _topic(file: str) -> str:
    """What a file of rules is about: `51-training-warnings.toml` is about training warnings."""
    return file.partition("-")[2].removesuffix(".toml").replace("-", " ").capitalize()


def _rule(page: RulePage, cited: dict[str, str]) -> str:
    """One rule as an item: the answer, the reason, the conditions, the reasoning."""
    cited.update(page.cite)
    grade = f" ({page.severity})" if page.severity else ""
    rows = [", ".join(f"`{condition}`" for condition in row) or "always" for row in page.conditions]
    lines = [f"- **{page.id}** **{answer_of(page)}**{grade}, because {page.name}.  "]
    lines.append(f"  When {'; or '.join(rows)}.  ")
    lines.append(f"  {page.why}{f' *{page.fix}*' if page.fix else ''}{_keys(page.cite)}")
    return "\n".join(lines)


def _thresholds(pages: Catalogue, cited: dict[str, str]) -> str:
    rows = []
    for name, page in pages.thresholds.items():
        cited.update(page.cite)
        used = ", ".join((*page.rules, *page.facts)) or "steps"
        rows.append(f"| `{name}` | {value_of(page)} | {_cell(page.why)}{_keys(page.cite)} | {used} |")
    return "\n".join(["| threshold | value | why | used by |", "|---|---|---|---|", *rows]) + "\n"


def _facts(pages: Catalogue, cited: dict[str, str]) -> str:
    rows = []
    for name, page in pages.facts.items():
        cited.update(page.cite)
        value = page.unit or FORMS[page.value]
        rows.append(f"| `{name}` | {value} | {_cell(page.what)}{_keys(page.cite)} | {len(page.rules) or ''} |")
    return "\n".join(["| fact | unit or form | what it is | rules |", "|---|---|---|---:|", *rows]) + "\n"


def _keys(cite: Iterable[str]) -> str:
    keys = ", ".join(cite)
    return f" [{keys}]" if keys else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
