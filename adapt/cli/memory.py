"""`adapt memory`: what a training step needs, before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapt.estimates.settings import setting_from, setting_options
from planner.documents import InputError, pretty_json

if TYPE_CHECKING:
    from adapt.estimates import Sized, Target
    from planner.memory import TrainingSetting

DOES_NOT_FIT = 3
EPILOG = """
\b
Examples:
  adapt memory meta-llama/Llama-3.1-8B --method qlora --batch 4 --sequence 2048 --device a10g
  adapt memory path/to/config.json --method full --precision bf16 --json
  adapt memory 70b --device 8xh100 --sharding fsdp
  adapt memory gpt2 --device 24gb --picture memory.svg
  adapt memory --ledger
"""


@click.command(epilog=EPILOG)
@click.argument("model", metavar="[PATH_OR_ID]", required=False)
@click.option("--params", type=float, metavar="N", help="Number of parameters, when nothing else is known: 7e9.")
@click.option("--device", metavar="NAME", help="Say whether it fits there: a10g, 24gb, 8xh100.")
@click.option("--price", type=float, metavar="USD", help="Your price of one device, in US dollars an hour.")
@click.option("--examples", type=click.IntRange(1), metavar="N", help="Training sequences, for time and cost.")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), default=1.0, help="How often each is seen.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE", help="Draw the parts as .svg or .png.")
@click.option("--ledger", is_flag=True, help="List what runs on this machine measured, instead.")
@click.option("--no-calibration", is_flag=True, help="Leave the ledger's measurements out of the estimate.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@setting_options
def command(  # noqa: PLR0913 - one argument an option
    model: str | None,
    params: float | None,
    device: str | None,
    price: float | None,
    examples: int | None,
    epochs: float,
    picture: Path | None,
    *,
    ledger: bool,
    no_calibration: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Say how much memory a training step needs, and whether it fits a device.

    PATH_OR_ID is a folder, a config.json, a .gguf file, an id that `adapt models` lists, or a size such as 7b.

    Exit code 3 when the high end of everything together does not fit.
    """
    if ledger:
        _ledger(as_json=as_json)
        return
    from adapt.estimates import memory_report, target_of
    from adapt.estimates.ledger import calibration_of

    found = _model(model, params)
    target = target_of(device, price=price) if device is not None else None
    setting, notes = _setting(values, target)
    calibration = None if no_calibration or target is None else calibration_of()
    report = memory_report(
        found, setting, target, notes=notes, calibration=calibration, examples=examples, epochs=epochs
    )
    if picture is not None:
        from adapt.render.picture import memory_picture

        memory_picture(report, picture)
    if as_json:
        click.echo(pretty_json(report), nl=False)
    else:
        from adapt.cli.console import out
        from adapt.render.memory import memory

        out().print(memory(report))
    if report["fits"] is False:
        raise click.exceptions.Exit(DOES_NOT_FIT)


def _ledger(*, as_json: bool) -> None:
    from adapt.estimates.ledger import ledger_report

    report = ledger_report()
    if as_json:
        click.echo(pretty_json(report), nl=False)
        return
    from adapt.cli.console import out
    from adapt.render.ledger import ledger as show

    out().print(show(report))


def _model(name: str | None, params: float | None) -> Sized:
    from adapt.estimates import model_of, model_of_size

    if name is not None and params is None:
        return model_of(name)
    if params is not None:
        return model_of_size(params, name or "")
    raise InputError.one("MEM006", "No model is named.", "Name a folder, an id or a size: `adapt memory 7b`.")


def _setting(values: dict[str, Any], target: Target | None) -> tuple[TrainingSetting, list[str]]:
    """The setting, and what was taken for granted in it."""
    changes: dict[str, Any] = {}
    notes = []
    if values["devices"] is None and target is not None and target.devices > 1:
        changes["devices"] = target.devices
    if changes.get("devices", values["devices"] or 1) > 1 and values["sharding"] is None:
        changes["sharding"] = "fsdp"
        notes.append("several devices without --sharding: FSDP was taken")
    return setting_from(values, **changes), notes
