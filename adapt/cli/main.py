"""The entry of the command line: commands found by name, every failure told in a sentence."""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from planner.documents import AdaptError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
# Imports and plans make many records that all stay: at the usual 700 the collector walks them in vain.
OBJECTS_BETWEEN_COLLECTIONS = 50_000
BROKEN_PIPE = 141
# Command to module and one line of help, so that `adapt --help` imports no command.
COMMANDS = {
    "init": ("adapt.cli.init", "Write a first spec from a data file and a few questions."),
    "plan": ("adapt.cli.plan", "Decide how to adapt a model, and write the plan."),
    "explain": ("adapt.cli.explain", "Say why a plan decides as it does."),
    "why-not": ("adapt.cli.why_not", "Say what another answer would have needed."),
    "flips": ("adapt.cli.flips", "Say which change of an input would change the plan."),
    "diff": ("adapt.cli.diff", "Say what changed between two plans, and because of which decision."),
    "run": ("adapt.cli.run", "Carry a plan out, up to the first rung that meets the target."),
    "status": ("adapt.cli.status", "Say how a run stands."),
    "report": ("adapt.cli.report", "Tell a run's rungs, decisions, cost and what it left."),
    "diagnose": ("adapt.cli.diagnose", "Say why answers fail, from results of any tool."),
    "review": ("adapt.cli.review", "Say what is wrong with configurations of TRL, Axolotl and other tools."),
    "memory": ("adapt.cli.memory", "Say how much memory a training step needs, and whether it fits."),
    "fit": ("adapt.cli.fit", "List what can be trained on a device, or which devices train a model."),
    "export": ("adapt.cli.export", "Write a plan's training for another tool, or a run's result for a server."),
    "serve": ("adapt.cli.serve", "Answer as a run's model was measured, by the interface of OpenAI."),
    "rules": ("adapt.cli.rules", "Read the rules that decide, and check rules of your own."),
    "models": ("adapt.cli.models", "List the models that are known by name."),
    "hardware": ("adapt.cli.hardware", "Show this machine, or the devices that are known by name."),
    "schema": ("adapt.cli.schema", "Print the JSON Schema of a document."),
    "doctor": ("adapt.cli.doctor", "Check what is installed, and say how to mend it."),
    "environments": ("adapt.cli.environments", "List and make the environments that some steps run in."),
    "quickstart": ("adapt.cli.quickstart", "Plan and run a real adaptation of a small model."),
}


class Commands(click.Group):
    """Imports a command's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of a name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command = module.command
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} has no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Help without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="adapt-planner", prog_name="adapt")
def cli() -> None:
    """Decide whether to prompt, retrieve or finetune a language model, plan it, and run the plan.

    Exit codes: 0 done; 1 failed; 2 bad input; 3 findings, or a gate said no; 75 locked; 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        code = cli.main(args=words, prog_name="adapt", standalone_mode=False)
        sys.stdout.flush()
    except AdaptError as error:
        _tell(error, as_json="--json" in words or " --format json" in f" {' '.join(words)}".replace("=", " "))
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except (KeyboardInterrupt, click.Abort):
        code = _interrupted()
    except BrokenPipeError:
        # The reader went away (`adapt ... | head`); nobody is left to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BROKEN_PIPE
    except OSError as error:
        click.echo(f"error: {error.filename or 'A file'}: {error.strerror or error}.", err=True)
        code = 1
    except Exception as error:
        if os.environ.get("ADAPT_DEBUG"):
            raise
        if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            # Libraries wrap an interrupt in an error of their own while their classes are built.
            sys.exit(_interrupted())
        message = f"error: adapt has a fault of its own ({type(error).__name__}: {error}). "
        click.echo(message + "Set ADAPT_DEBUG=1 to see where, and report it.", err=True)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _interrupted() -> int:
    click.echo("Interrupted; the same command goes on from here.", err=True)
    return INTERRUPTED


def _tell(error: AdaptError, *, as_json: bool) -> None:
    """Every finding on standard error: as JSON when the command was asked for JSON."""
    if as_json:
        click.echo(json.dumps({"findings": [item.to_json() for item in error.findings]}, indent=2), err=True)
        return
    from adapt.cli.console import err
    from adapt.render.findings import findings

    # Another program may read the lines: only a terminal has a width to break them at.
    err().print(findings(error.findings), soft_wrap=not err().is_terminal)
