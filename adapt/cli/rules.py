"""`adapt rules`: the rule books, read, checked, tested and copied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.documents import InputError, near, pretty_json

if TYPE_CHECKING:
    from planner.explanation.pages import Catalogue
    from planner.rules import Book

FAILED = 1
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
GROUP = """
\b
Examples:
  adapt rules list
  adapt rules show MET101
  adapt rules copy MET101 --to house.toml
  adapt rules check house.toml
  adapt plan spec.json --rules house.toml
"""
LIST = """
\b
Examples:
  adapt rules list
  adapt rules list --family MET
  adapt rules list --decision method --json
  adapt rules list --markdown > docs/rules.md
"""
SHOW = """
\b
Examples:
  adapt rules show MET101
  adapt rules show memory_share_limit
  adapt rules show method
  adapt rules show train_rows --json
"""
CHECK = """
\b
Examples:
  adapt rules check house.toml
  adapt rules check house.toml team.toml --json
"""
TEST = """
\b
Examples:
  adapt rules test
  adapt rules test house.toml
"""
COPY = """
\b
Examples:
  adapt rules copy MET101
  adapt rules copy memory_share_limit --to house.toml
  adapt rules copy learning_rate --to house.toml
"""
OWN = click.option("--rules", "books", multiple=True, type=FILE, metavar="FILE", help="Read this book too; repeatable.")


@click.group(epilog=GROUP)
def command() -> None:
    """Read the rules that decide, and write rules of your own.

    A rule book of your own is a TOML file of rules, thresholds, defaults and rules switched off; docs/rule-books.md
    says how it is written. `adapt plan --rules FILE` and `rule_books` in a spec use it.
    """


def _catalogue(books: tuple[Path, ...]) -> Catalogue:
    from planner.explanation.pages import catalogue
    from planner.rules import user_books

    return catalogue(user_books(books))


@command.command("list", epilog=LIST, short_help="List the rules, with counts by family.")
@click.option("--family", metavar="F", help="Rules of this family only, such as `MET`.")
@click.option("--decision", metavar="Q", help="Rules of this decision only, such as `method`.")
@click.option("--markdown", is_flag=True, help="Print the whole catalogue as one Markdown page.")
@OWN
@click.option("--json", "as_json", is_flag=True, help="Print the rules as JSON.")
def list_rules(
    family: str | None, decision: str | None, books: tuple[Path, ...], *, markdown: bool, as_json: bool
) -> None:
    """List the rules by decision, with counts by family."""
    pages = _catalogue(books)
    families = sorted({id_[:3] for id_ in pages.rules})
    if family is not None and family.upper() not in families:
        fix = f"There are: {', '.join(families)}."
        raise InputError.one("CLI003", f"No rule is of the family `{family}`.", fix)
    if decision is not None and decision not in pages.decisions:
        fix = near(decision, pages.decisions) or f"There are: {', '.join(pages.decisions)}."
        raise InputError.one("CLI003", f"There is no decision `{decision}`.", fix)
    chosen = {
        id_: rule
        for id_, rule in pages.rules.items()
        if (family is None or id_[:3] == family.upper()) and decision in (None, rule.decides)
    }
    if as_json:
        click.echo(pretty_json({"rules": [rule.to_json() for rule in chosen.values()]}), nl=False)
    elif markdown:
        from adapt.render.rules_markdown import rules_markdown

        click.echo(rules_markdown(pages), nl=False)
    else:
        from adapt.cli.console import out
        from adapt.render.rules import listing

        out().print(listing(pages, chosen))


@command.command("show", epilog=SHOW, short_help="Show a rule, threshold, fact or decision.")
@click.argument("name", metavar="ID")
@OWN
@click.option("--json", "as_json", is_flag=True, help="Print the page as JSON.")
def show(name: str, books: tuple[Path, ...], *, as_json: bool) -> None:
    """Show a rule, a threshold, a fact or a decision: what, when, why, source, examples.

    ID is the id of a rule such as `MET101`, or the name of a decision, threshold or fact.
    """
    pages = _catalogue(books)
    page = pages.find(name)
    if page is None:
        fix = near(name, (each.lower() for each in pages.names())) or "`adapt rules list` lists the rules."
        raise InputError.one("CLI003", f"No rule, decision, threshold or fact is called `{name}`.", fix)
    if as_json:
        click.echo(pretty_json(page.to_json()), nl=False)
        return
    from adapt.cli.console import out
    from adapt.render.rules import paper

    out().print(paper(page))


@command.command("check", epilog=CHECK, short_help="Check rule books of your own.")
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print what the books hold, or the findings, as JSON.")
def check(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Check rule books of your own, together and beside the rules that ship.

    Exit code 2 when anything is wrong; everything is told at once.
    """
    from planner.rules import core_book, review_book, user_books

    books = user_books(files)
    if as_json:
        records = [book.record((core_book(), review_book())).to_json() for book in books]
        click.echo(pretty_json({"books": records}), nl=False)
        return
    for book in books:
        click.echo(f"{book.path}: {_held(book)}; fine.")


def _held(book: Book) -> str:
    """What a book holds: `house 3: 2 rules, 1 threshold, 1 rule switched off`."""
    counts = (
        (len(book.rules), "rule"),
        (len(book.thresholds), "threshold"),
        (len(book.decisions), "decision"),
        (len(book.defaults), "default"),
        (len(book.references), "reference"),
    )
    parts = [f"{number} {word}{'s' if number > 1 else ''}" for number, word in counts if number]
    off = len(book.disabled)
    parts += [f"{off} rule{'s' if off > 1 else ''} switched off"] if off else []
    return f"{book.name} {book.version}: {', '.join(parts) or 'nothing'}"


@command.command("test", epilog=TEST, short_help="Run the examples of the rules.")
@click.argument("files", nargs=-1, type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def test(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Run the examples of every rule, of the books that ship or of FILES.

    Exit code 1 when one does not come out as it says.
    """
    from adapt.cli.console import err
    from planner.rules.testing import run_examples

    result = run_examples(files)
    if as_json:
        click.echo(pretty_json(result.to_json()), nl=False)
    else:
        passed = result.examples - len(result.failed)
        rules = f"{result.rules} rule{'' if result.rules == 1 else 's'}"
        click.echo(f"{passed} of {result.examples} examples of {rules} come out as they say.")
        if result.failed:
            from adapt.render.findings import findings

            err().print(findings(result.failed), soft_wrap=not err().is_terminal)
    if result.failed:
        raise click.exceptions.Exit(FAILED)


@command.command("copy", epilog=COPY, short_help="Copy a rule into a book of your own.")
@click.argument("name", metavar="ID")
@click.option("--to", "target", type=click.Path(dir_okay=False, path_type=Path), help="The book that it goes into.")
def copy(name: str, target: Path | None) -> None:
    """Copy a rule, a threshold or the default of a decision into a book of your own, to change it there.

    The copy of a rule has an id of its own and goes before the rules that ship; the old rule is switched off, and
    waits for your reason. Without --to the text is printed. A book that is there is added to; what it holds stays.
    """
    from planner.rules.copying import copied

    text = copied(name, target)
    if target is None:
        click.echo(text, nl=False)
        return
    from executors.files import write_atomic

    if not target.parent.is_dir():
        raise InputError.one("CLI002", f"The folder {target.parent} is not there.", "Name another file with --to.")
    write_atomic(target, text)
    click.echo(
        f"Copied to {target}. Fill in the reason, change what you like, then: adapt rules check {target}", err=True
    )
