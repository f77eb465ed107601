"""`adapt export`: a plan's training in the words of another tool, or a run's result for a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.documents import InputError, pretty_json

if TYPE_CHECKING:
    from executors.export.document import Export
    from executors.sources import Sources

RECIPES = ("axolotl", "llama-factory", "openai", "trl", "unsloth")
RESULTS = ("card", "lorax", "merged", "ollama", "vllm")
EPILOG = """
\b
Examples:
  adapt export plan.json --to trl --out exports/trl
  adapt export plan.json --to axolotl --out exports/axolotl --base models/base-16bit
  adapt export plan.json --to ollama --out exports/ollama
  adapt export tenants/*/plan.json --to vllm --out exports/vllm

\b
Targets:
  trl, axolotl, llama-factory, unsloth, openai   the plan's training; it need not have been run
  merged, vllm, lorax, ollama, card              the result of a run
"""


@click.command(epilog=EPILOG)
@click.argument("plans", metavar="PLAN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "target", required=True, type=click.Choice((*RECIPES, *RESULTS)), help="What to write.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to make.")
@click.option("--base", metavar="ID_OR_FOLDER", help="The base that the tool or server shall load instead.")
@click.option("--replace", "replaces", is_flag=True, help="Replace an earlier export that stands there.")
@click.option(
    "--allow-path",
    "allow_paths",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    envvar="ADAPT_ALLOW_PATH",
    help="A folder outside of the plan's own that it may read; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(
    plans: tuple[Path, ...],
    target: str,
    out: Path,
    base: str | None,
    allow_paths: tuple[Path, ...],
    *,
    replaces: bool,
    as_json: bool,
) -> None:
    """Write the training of PLAN for another tool, or the result of its run for a server, into a new folder.

    The folder appears whole or not at all. What the target cannot be told is listed there and here. Several plans on
    one base become one server with an adapter for each (`--to vllm`, `--to lorax`).
    """
    if base is not None and Path(base).is_dir():
        base = str(Path(base).resolve())
    if target in RECIPES:
        from executors.export.recipes import export_recipe

        if len(plans) > 1:
            message = f"--to {target} exports one plan; {len(plans)} are named."
            raise InputError.one("CLI010", message, "Export them one by one.")
        export = export_recipe(_sources(plans[0], allow_paths), target, out, base=base, replaces=replaces)
    else:
        from executors.export.results import export_result

        runs = [_sources(plan, allow_paths) for plan in plans]
        export = export_result(runs, target, out, base=base, replaces=replaces)
    if as_json:
        click.echo(pretty_json(export.to_json()), nl=False)
        return
    _show(export, out)


def _sources(plan: Path, allow_paths: tuple[Path, ...]) -> Sources:
    """A plan's file with its newest run, or a run by its folder."""
    import adapt
    from adapt.from_run import find_run
    from executors.sources import Sources, sources_of

    if plan.is_dir():
        state, report, found = find_run(plan)
        return Sources(found, state.folder.parent, state, report, allow_paths)
    return sources_of(adapt.load(plan), plan.parent, allow_paths)


def _show(export: Export, out: Path) -> None:
    from rich.text import Text

    from adapt.cli.console import out as console
    from adapt.render.findings import findings

    if export.unsaid:
        console().print(findings(export.unsaid))
        console().print()
    told = "; what it does not say stands above" if export.unsaid else ""
    console().print(Text(f"Written to {out}: {len(export.files)} files{told}."))
    for part in export.parts:
        if part.command:
            console().print(Text(f"{part.what}: cd {out / part.folder} && {part.command}"))
