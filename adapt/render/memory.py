"""A memory report on a terminal: fits or not, the arithmetic, the rule of thumb, and what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from adapt.render.bars import ITEMS, stacked, swatch
from adapt.render.units import dollars, seconds, size

if TYPE_CHECKING:
    from rich.console import RenderableType

Interval = dict[str, float]


def memory(report: dict[str, Any]) -> RenderableType:
    """The whole answer of `adapt memory` as a page."""
    parts: list[RenderableType] = [_headline(report), Text(), _bar(report), Text(), _items(report), Text()]
    parts += [_other(report), Text(), _rule(report)]
    if report["changes"]:
        parts += [Text(), _changes(report)]
    if report["effort"] is not None and report["fits"]:
        parts += [Text(), _effort(report)]
    parts += [Text(), _trust(report)]
    return Group(*parts)


def span(interval: Interval, show: Any = size) -> str:
    """`15.4 GB (14.9 to 17.0 GB)`: the expected value, then low and high."""
    expected, low, high = (show(interval[name]) for name in ("expected", "low", "high"))
    if low == high:
        return str(expected)
    unit = high.rpartition(" ")[2]
    low = low.removesuffix(f" {unit}") if " " in high else low
    return f"{expected} ({low} to {high})"


def setting_words(setting: dict[str, Any]) -> str:
    """What is trained and how, as one clause."""
    words = [str(setting["method"])]
    if setting["method"] in {"lora", "qlora", "lora-8bit", "dora"}:
        targets = setting["targets"]
        words.append(f"rank {setting['rank']} on {targets if isinstance(targets, str) else ', '.join(targets)}")
    words.append(f"micro-batch {setting['batch']} x {setting['sequence']:,} tokens")
    if setting["accumulation"] > 1:
        words.append(f"{setting['accumulation']} micro-batches a step")
    words += [setting["precision"], setting["optimizer"]]
    words.append("checkpointing" if setting["checkpointing"] else "no checkpointing")
    if setting["offload"] != "none":
        words.append(f"{setting['offload']} offloaded")
    if setting["devices"] > 1:
        words.append(f"{setting['sharding']} over {setting['devices']} devices")
    return ", ".join(words)


def _headline(report: dict[str, Any]) -> Text:
    need, device = report["training"]["device_bytes"], report["device"]
    text = Text(report["model"]["id"], style="bold")
    text.append(f": {setting_words(report['setting'])}\n", style="none")
    if device is None:
        text.append(f"A step needs {span(need)} on a device.", style="bold")
        return text
    each = " on each of them" if report["setting"]["devices"] > 1 else ""
    name = f"{device['name']} ({size(device['memory_bytes'])})"
    where = f"{report['setting']['devices']} x {name}" if each else name
    if report["fits"]:
        text.append("It fits", style="bold green").append(f" on {where}: a step needs {span(need)}{each}.")
    else:
        text.append("It does not fit", style="bold red").append(f" on {where}: a step needs {span(need)}{each}")
        is_near = need["expected"] <= device["memory_bytes"]
        text.append("; what is expected would fit, the high end does not." if is_near else ".")
    return text


def _bar(report: dict[str, Any]) -> Text:
    device = report["device"]
    limit = device["memory_bytes"] if device else None
    bar = stacked(report["training"]["items"], limit)
    return bar.append(f" {size(limit)}") if limit else bar


def _items(report: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    table.add_column("")
    table.add_column(f"At the peak ({report['training']['peak']})")
    table.add_column("GB", justify="right")
    table.add_column("What it is", overflow="fold")
    items, words = report["training"]["items"], _what(report)
    for name in ITEMS:
        if name in items:
            size_gb = f"{items[name] / 1e9:,.2f}" if items[name] else "-"
            table.add_row(swatch(name), name, size_gb, words[name] if items[name] else "none at this moment")
    table.add_row("", Text("together", style="bold"), f"{sum(items.values()) / 1e9:,.2f}", "")
    return table


def _what(report: dict[str, Any]) -> dict[str, str]:
    setting, parameters = report["setting"], report["parameters"]
    total, trainable = parameters["total"], parameters["trainable"]
    tokens = setting["batch"] * setting["sequence"]
    bits = report["training"]["items"]["weights"] * 8 / max(total, 1)
    kept = "layer inputs, recomputed in between" if setting["checkpointing"] else "everything that backward needs"
    each = (
        f", {bits:.1f} bits each"
        if setting["devices"] == 1 and setting["offload"] == "none"
        else ", this device's part"
    )
    return {
        "weights": f"{count(total)} parameters{each}",
        "gradients": f"of {count(trainable)} trainable parameters ({trainable / max(total, 1):.2%})",
        "optimizer": f"states of {setting['optimizer']}",
        "activations": f"{tokens:,} tokens in {report['model']['layers']} layers: {kept}",
        "logits": f"{tokens:,} tokens, scores of the whole vocabulary and their gradients",
        "temporary": "buffers alive at this moment only",
        "fragmentation": "holes that the allocator holds and no tensor fills",
        "context": "CUDA and its libraries",
    }


def count(number: float) -> str:
    """A number of parameters: `13.02 B`, `62.6 M`, `4,096`."""
    if number >= 1e9:  # noqa: PLR2004
        return f"{number / 1e9:,.2f} B"
    return f"{number / 1e6:,.1f} M" if number >= 1e6 else f"{number:,.0f}"  # noqa: PLR2004


def _other(report: dict[str, Any]) -> Text:
    inference, phases = report["inference"], report["other_phases"]
    serving = inference["setting"]
    shape = f"{serving['batch']} x ({serving['prompt']:,} + {serving['generated']:,}) tokens"
    text = Text("Allocated by tensors ", style="bold").append(span(report["training"]["allocated_bytes"]), style="none")
    text.append(", held by the allocator ", style="none").append(span(report["training"]["reserved_bytes"]))
    text.append("\nGenerating, ", style="bold").append(
        f"{serving['dtype']}, {shape}: {span(inference['device_bytes'])}"
    )
    text.append("\nLoading ", style="bold").append(f"{span(phases['loading']['device_bytes'])}, host ")
    text.append(f"{span(phases['loading']['host_bytes'])}; a checkpoint on disk ")
    text.append(span(phases["checkpoint"]["disk_bytes"]))
    text.append("\nAfterwards ", style="bold").append("merging an adapter, host ", style="none")
    text.append(f"{span(phases['merging']['host_bytes'])}; quantizing to 4 bits with GPTQ, device ")
    text.append(f"{span(phases['quantizing']['device_bytes'])}, host {span(phases['quantizing']['host_bytes'])}")
    return text


def _rule(report: dict[str, Any]) -> Text:
    rule = report["rule_of_thumb"]
    text = Text("Rule of thumb: ", style="bold").append(size(rule["training_bytes"]), style="none")
    parts = [f"{size(rule[name + '_bytes'])} {name}" for name in ("weights", "gradients", "states")]
    text.append(f" ({' + '.join(parts)}). {rule['why']}")
    return text


def _changes(report: dict[str, Any]) -> Text:
    fits = report["cheapest_fit"] is not None
    what = "What makes it fit, cheapest first:" if fits else "Nothing makes it fit; the closest that was tried:"
    text = Text(what, style="bold")
    for number, change in enumerate(report["changes"], 1):
        text.append(f"\n  {number}. {change['name']}: {span(change['device_bytes'])}", style="none")
        if change["fits"]:
            text.append(" fits", style="bold green")
            text.append(f"\n     as {setting_words(change['setting'])}", style="none")
    return text


def _effort(report: dict[str, Any]) -> Text:
    effort = report["effort"]
    title = f"{effort['steps']:,} steps, {effort['tokens']:,} tokens: "
    text = Text(title, style="bold").append(span(effort["seconds"], seconds), style="none")
    text.append(f", {span(effort['tokens_per_s'], lambda value: f'{value:,.0f}')} tokens a second")
    if effort["cost_usd"] is not None:
        dated = f"prices of {effort['priced_on']} or later" if effort["priced_on"] else "your price"
        text.append(f", {span(effort['cost_usd'], dollars)} at {dated}")
    else:
        text.append(", no rental price known")
    return text


def _trust(report: dict[str, Any]) -> Text:
    text = Text("How sure: ", style="bold").append(report["provenance"], style="none")
    for assumption in report["assumptions"]:
        text.append(f"\n  {assumption}", style="dim")
    return text
