"""`adapt hardware`: this machine, or the devices that are known by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.documents import pretty_json

if TYPE_CHECKING:
    from planner.documents import HardwareRecord

EPILOG = """
\b
Examples:
  adapt hardware
  adapt hardware 8xh100
  adapt hardware --list
"""


@click.command(epilog=EPILOG)
@click.argument("name", required=False, default="auto")
@click.option("--list", "as_list", is_flag=True, help="List the devices that are known by name.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def command(name: str, *, as_list: bool, as_json: bool) -> None:
    """Show what plans will be made for: this machine, or NAME such as `a10g` or `8xh100`."""
    if as_list:
        _list(as_json=as_json)
        return
    from planner.survey import survey_hardware

    record = survey_hardware(name, Path())
    if as_json:
        click.echo(pretty_json(record.to_json()), nl=False)
    else:
        _show(record)


def _show(record: HardwareRecord) -> None:
    from adapt.cli.console import out
    from adapt.render.units import plain, size

    for device in record.devices:
        rows = {
            "device": f"{device.count} x {device.name} ({device.kind}, {record.source})",
            "memory": size(device.memory_bytes) if device.memory_bytes else "unknown",
            "bfloat16": "unknown" if device.bf16 is None else plain(device.bf16),
            "compute capability": device.compute_capability,
            "features": ", ".join(device.features),
        }
        for label, value in rows.items():
            if value:
                out().print(f"{label:<20}{value}")
    rows = {
        "nodes": str(record.nodes),
        "cores": str(record.cores or ""),
        "main memory": size(record.host_memory_bytes) if record.host_memory_bytes else "",
        "free disk, at least": size(record.disk_bytes) if record.disk_bytes else "",
    }
    for label, value in rows.items():
        if value:
            out().print(f"{label:<20}{value}")


def _list(*, as_json: bool) -> None:
    from planner.catalog import all_devices

    devices = all_devices()
    if as_json:
        click.echo(pretty_json({"devices": [device.model_dump(mode="json") for device in devices]}), nl=False)
        return
    from rich.table import Table

    from adapt.cli.console import out

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Name")
    table.add_column("Device", overflow="fold")
    for name in ("Memory (GB)", "TFLOP/s", "GB/s"):
        table.add_column(name, justify="right")
    table.add_column("bf16")
    for device in devices:
        bf16 = {True: "yes", False: "no", None: "unknown"}[device.bf16]
        rate = f"{device.tensor_tflops:g}" if device.tensor_tflops else "-"
        speed = f"{device.bandwidth_gb_per_s:g}" if device.bandwidth_gb_per_s else "-"
        table.add_row(device.key, device.name, f"{device.memory_gb:g}", rate, speed, bf16)
    out().print(table)
