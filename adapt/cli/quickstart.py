"""`adapt quickstart`: plan and run a real adaptation of a small model."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

import click

from planner.documents import InputError

EXAMPLE = "voice-commands"
FILES = ("spec.json", "schema.json", "train.jsonl", "validation.jsonl", "test.jsonl", "README.md")
EPILOG = """
\b
Examples:
  adapt quickstart
  adapt quickstart ~/try-adapt
"""


@click.command(epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("quickstart"))
def command(folder: Path) -> None:
    """Plan and run the worked example `voice-commands` in FOLDER (`quickstart` by default).

    A 135M instruct model learns to turn requests to a home assistant into JSON: zero-shot, few-shot, diagnosis,
    LoRA, merge. It takes about five minutes on two cores, and nothing the second time.
    """
    import adapt
    from adapt.cli.console import err, out
    from adapt.cli.run import carry_out, exit_code
    from adapt.render.plan import plan

    spec = _laid_out(folder)
    document = adapt.plan(spec)
    adapt.save(document, folder / "plan.json")
    out().print(plan(document))
    err().print(f"\nadapt run {folder / 'plan.json'}", style="bold")
    report = carry_out(folder / "plan.json")
    raise click.exceptions.Exit(exit_code(report))


def _laid_out(folder: Path) -> Path:
    """Copy the example into a folder of the user's; files of the same content stay as they are.

    Raises:
        InputError: a file of another content is in the way.
    """
    source = _example()
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        target = folder / name
        content = (source / name).read_bytes()
        if target.exists() and target.read_bytes() != content:
            message = f"{target} is not the example's file."
            raise InputError.one("CLI004", message, "Name an empty folder: adapt quickstart FOLDER.", file=str(target))
        if not target.exists():
            shutil.copyfile(source / name, target)
    return folder / "spec.json"


def _example() -> Path:
    """The example's folder: in the repository, or in the installed package."""
    package = Path(str(resources.files("adapt")))
    found = [package / "examples" / EXAMPLE, package.parent / "plans" / EXAMPLE]
    for folder in found:
        if (folder / "spec.json").is_file():
            return folder
    raise InputError.one("CLI005", "The quickstart's files are not installed.", "Install adapt-planner again.")
