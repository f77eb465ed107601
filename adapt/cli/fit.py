"""`adapt fit`: what can be trained on a device, and which devices train a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planner.documents import InputError, near, pretty_json

if TYPE_CHECKING:
    from planner.memory import TrainingSetting

EPILOG = """
\b
Examples:
  adapt fit --device 24gb
  adapt fit --device a10g --model Qwen/Qwen2.5-7B --method lora,qlora --sequence 4096
  adapt fit --for meta-llama/Llama-3.1-70B --method qlora
  adapt fit --device a100-80gb --picture fit.svg
"""


@click.command(epilog=EPILOG)
@click.option("--device", metavar="NAME", help="What to fill: a10g, 24gb, a100-80gb.")
@click.option("--model", "models", multiple=True, metavar="PATH_OR_ID", help="Only this model; repeatable.")
@click.option("--for", "wanted", metavar="PATH_OR_ID", help="List the devices that train this model, instead.")
@click.option("--method", "methods", multiple=True, metavar="NAME,...", help="Only these methods; repeatable.")
@click.option("--sequence", type=int, metavar="N", help="Tokens a sequence, at most the model's positions.")
@click.option("--rank", type=int, metavar="N", help="Rank of LoRA-like adapters.")
@click.option("--precision", metavar="WORD", help="bf16, amp or fp32.")
@click.option("--optimizer", metavar="WORD", help="Such as adamw or paged-adamw-8bit.")
@click.option("--checkpointing/--no-checkpointing", default=None, help="Recompute activations; on by default.")
@click.option("--price", type=float, metavar="USD", help="Your price of one device, in US dollars an hour.")
@click.option("--all", "every", is_flag=True, help="Print every row of the table.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE", help="Draw the rows as .svg or .png.")
@click.option("--no-calibration", is_flag=True, help="Leave the ledger's measurements out of the estimates.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def command(  # noqa: PLR0913 - one argument an option
    device: str | None,
    models: tuple[str, ...],
    wanted: str | None,
    methods: tuple[str, ...],
    price: float | None,
    picture: Path | None,
    *,
    every: bool,
    no_calibration: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """List what can be trained on a device: model by method, largest micro-batch and longest sequence.

    With --for, list which devices train a model and how many of them. Only what fits at its high end counts.
    """
    from adapt.estimates.fitting import MAIN_METHODS, METHODS
    from adapt.estimates.ledger import calibration_of
    from adapt.estimates.settings import setting_from

    setting = setting_from(values)
    named = _methods(methods)
    calibration = None if no_calibration else calibration_of()
    if (wanted is None) == (device is None) and not (wanted and device):
        raise InputError.one(
            "MEM008", "No device is named.", "Give --device 24gb, or --for MODEL for a list of devices."
        )
    if wanted is not None and named is not None and len(named) > 1:
        raise InputError.one("MEM013", "--for lists the devices of one method.", "Name one, such as --method qlora.")
    if wanted is not None:
        report = _devices(wanted, device, (named or ("lora",))[0], setting, price, calibration)
    else:
        # The table shows the main methods unless others are named, so the others are not computed for it.
        computed = named or (METHODS if as_json else MAIN_METHODS)
        report = _fitting(str(device), models, computed, setting, price, calibration)
    if picture is not None:
        from adapt.render.picture import fit_picture

        fit_picture(report, picture, named)
    if as_json:
        click.echo(pretty_json(report), nl=False)
        return
    from adapt.cli.console import out
    from adapt.render.fit import devices, fit

    shown = named or (MAIN_METHODS if every or models else None)
    out().print(devices(report) if wanted is not None else fit(report, shown))


def _fitting(
    device: str,
    models: tuple[str, ...],
    methods: tuple[str, ...],
    setting: TrainingSetting,
    price: float | None,
    calibration: Any,
) -> dict[str, Any]:
    from adapt.estimates import fit_rows, target_of
    from adapt.estimates.fitting import FORMAT
    from adapt.estimates.models import chosen_models

    target = target_of(device, price=price)
    rows = fit_rows(chosen_models(models), methods, target, setting, calibration=calibration)
    return {
        "format": FORMAT,
        "device": {
            "key": target.key,
            "name": target.name,
            "memory_bytes": target.memory_bytes,
            "like": list(target.like),
        },
        "setting": setting.model_dump(mode="json", exclude={"method", "batch", "sequence"}),
        "sequence": setting.sequence,
        "priced_on": target.priced_on,
        "own_price": price is not None,
        "rows": rows,
    }


def _devices(
    name: str, device: str | None, method: str, setting: TrainingSetting, price: float | None, calibration: Any
) -> dict[str, Any]:
    from adapt.estimates import device_rows, model_of, target_of
    from adapt.estimates.devices import every_target
    from adapt.estimates.fitting import FORMAT

    if price is not None and device is None:
        fix = "Give --device too."
        raise InputError.one("MEM009", "One price cannot be that of every device.", fix, pointer="/price")
    targets = (target_of(device, price=price),) if device is not None else every_target()
    rows = device_rows(model_of(name), method, targets, setting, calibration=calibration)
    return {
        "format": FORMAT,
        "model": name,
        "method": method,
        "setting": setting.model_dump(mode="json", exclude={"method", "batch", "sequence", "devices", "sharding"}),
        "sequence": setting.sequence,
        "priced_on": min((target.priced_on for target in targets if target.priced_on), default=None),
        "own_price": price is not None,
        "rows": rows,
    }


def _methods(texts: tuple[str, ...]) -> tuple[str, ...] | None:
    from adapt.estimates.fitting import METHODS

    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    for name in names:
        if name not in METHODS and name != "all":
            fix = near(name, METHODS) or f"Known: {', '.join(METHODS)}."
            raise InputError.one("MEM001", f"The method `{name}` is not known.", fix, pointer="/method")
    return None if not names else METHODS if "all" in names else tuple(dict.fromkeys(names))
