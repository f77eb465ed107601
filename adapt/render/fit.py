"""What fits on a terminal: models by method on one device, or devices for one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from adapt.estimates.fitting import MAIN_METHODS
from adapt.render.memory import count, span
from adapt.render.units import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

Row = dict[str, Any]
SHOWN_ROWS = 40


def fit(report: dict[str, Any], methods: Sequence[str] | None) -> RenderableType:
    """The models that a device trains, largest first; every row when methods are named, else the first rows."""
    named = tuple(methods) if methods is not None else MAIN_METHODS
    rows = merged([row for row in report["rows"] if row["fits"] and row["method"] in named])
    shown = rows if methods is not None else rows[:SHOWN_ROWS]
    device = report["device"]
    text = Text(f"On {device['name']} ({size(device['memory_bytes'])}): ", style="bold")
    text.append(_counted(report["rows"], named), style="none")
    parts: list[RenderableType] = [text, Text(), _models(shown, device)]
    parts.append(Text(f"\n{_footer(report, rows, shown, methods)}", style="dim"))
    return Group(*parts)


def merged(rows: list[Row]) -> list[Row]:
    """Rows with models that differ in nothing shown here taken together; the first by name stands for them."""
    answers: dict[str, list[object]] = {}
    for row in rows:
        said = [row["method"], row["device_bytes"], row["largest_batch"], row["longest_sequence"]]
        answers.setdefault(row["model"], [row["parameters"]]).append(said)
    first: dict[str, str] = {}
    names = {model: first.setdefault(repr(said), model) for model, said in answers.items()}
    same = {model: [other for other in names if names[other] == model and other != model] for model in names}
    shapes = {row["model"]: row["same_shape"] for row in rows}
    return [
        row | {"same_shape": [*row["same_shape"], *(name for each in same[model] for name in (each, *shapes[each]))]}
        for row in rows
        if names[model := row["model"]] == model
    ]


def devices(report: dict[str, Any]) -> RenderableType:
    """The devices that train a model, cheapest first."""
    rows = [row for row in report["rows"] if row["fits"]]
    title = f"{report['model']} with {report['method']}: "
    text = Text(title, style="bold")
    if not rows:
        reason = report["rows"][0]["why_not"] if report["rows"] else None
        return text.append(reason or "no device of the catalog, nor 64 of one, holds it.", style="bold red")
    single = sum(row["devices"] == 1 for row in rows)
    what = f"fits on one of {single} kinds of device, on several of {len(rows) - single} more; cheapest first."
    text.append(what, style="none")
    table = _table("Devices", "Memory of each", "Needs on each", "Micro-batch", "Longest")
    for row in rows:
        name = row["device"] if row["devices"] == 1 else f"{row['devices']} x {row['device']}"
        name += " (no bf16)" if row["bf16"] is False else ""
        need = span(row["device_bytes"])
        table.add_row(name, size(row["memory_bytes"]), need, *_sizes(row), *_rates(row))
    shared = "Several devices: everything sharded over all of them (FSDP). Fewest of each that hold one sequence."
    return Group(text, Text(), table, Text(f"\n{_priced(report)}\n{shared}", style="dim"))


def _models(rows: list[Row], device: dict[str, Any]) -> Table:
    table = _table("Model", "Parameters", "Method", f"Needs of {size(device['memory_bytes'])}", *_SIZES)
    before = ""
    for row in rows:
        more = f" +{len(row['same_shape'])}" if row["same_shape"] else ""
        first = row["model"] != before
        name, parameters = (row["model"] + more, count(row["parameters"])) if first else ("", "")
        table.add_row(name, parameters, row["method"], span(row["device_bytes"]), *_sizes(row), *_rates(row))
        before = row["model"]
    return table


_SIZES = ("Micro-batch", "Longest")


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    left = {"Model", "Method", "Devices"}
    for name in (*names, "Tokens a second", "$ a million tokens"):
        table.add_column(name, justify="left" if name in left else "right", overflow="fold")
    return table


def _sizes(row: Row) -> tuple[str, str]:
    return f"{row['largest_batch']:,} x {row['sequence']:,}", f"{row['longest_sequence']:,}"


def _rates(row: Row) -> tuple[str, str]:
    speed, price = row["tokens_per_s"], row["usd_per_million_tokens"]
    return (
        span(speed, lambda value: f"{value:,.0f}") if speed else "-",
        span(price, lambda value: f"{value:,.2f}") if price else "-",
    )


def _counted(rows: list[Row], methods: Sequence[str]) -> str:
    """`41 of 131 shapes train in full, 98 with lora`."""
    parts = []
    for method in methods:
        of_method = [row for row in rows if row["method"] == method]
        parts.append(f"{sum(row['fits'] for row in of_method)} with {method}")
    total = len({row["model"] for row in rows})
    what = "model" if total == 1 else "models"
    return f"of {total} {what}, {', '.join(parts)} train there at micro-batch 1."


def _footer(report: dict[str, Any], rows: list[Row], shown: list[Row], methods: Sequence[str] | None) -> str:
    said = [_priced(report), "Micro-batch: the largest that fits; longest: tokens of one sequence alone."]
    if any(row["same_shape"] for row in shown):
        said.append("+N: that many more models with the same answer.")
    if len(rows) > len(shown):
        said.append(f"{len(rows) - len(shown)} more rows: narrow with --model, or see all with --all.")
    if methods is None:
        said.append("Other methods: --method NAME, or --json for everything.")
    return "\n".join(said)


def _priced(report: dict[str, Any]) -> str:
    dated = report["priced_on"]
    price = f"prices of {dated} or later" if dated else "your price" if report["own_price"] else "no price known"
    return f"Fits means that the high end fits. Speed and price are intervals: {price}."
