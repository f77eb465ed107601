"""Stacked bars of memory as a picture, with the device's limit as a line; needs the extra `plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from adapt.estimates.fitting import MAIN_METHODS
from adapt.render.bars import ITEMS
from adapt.render.fit import merged
from planner.documents import GB, InputError, RunError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SUFFIXES = frozenset({".svg", ".png"})
DOTS_PER_INCH = 160
LIMIT, TRACK = "#B00020", "#EEEEEE"
BAR_INCHES, FRAME_INCHES, WIDTH_INCHES = 0.34, 1.75, 10.5
MOST_BARS = 30
#: A part narrower than this share of the scale has no room for its figure.
ROOM = 0.06
RULE = {"weights": "weights_bytes", "gradients": "gradients_bytes", "optimizer": "states_bytes"}


class Bar(NamedTuple):
    """One bar: its label, bytes by item, the low and high end of their sum, and the device it has to fit."""

    label: str
    items: dict[str, float]
    ends: tuple[float, float] | None = None
    limit: float | None = None


def memory_picture(report: dict[str, Any], path: Path) -> None:
    """Draw what `adapt memory` said: the step, what each change leaves, generation and the rule of thumb.

    Raises:
        InputError: the file is neither .svg nor .png, or cannot be there.
        RunError: the drawing library is not installed.
    """
    check_picture(path)
    training, inference, rule = report["training"], report["inference"], report["rule_of_thumb"]
    setting = report["setting"]
    first = f"{setting['method']}, {setting['batch']} x {setting['sequence']:,}"
    changes = report["changes"] or []
    bars = [
        Bar(first, training["items"], _ends(training["device_bytes"])),
        *(Bar(f"+ {change['name']}", change["items"], _ends(change["device_bytes"])) for change in changes),
        Bar("generating", inference["items"], _ends(inference["device_bytes"])),
        Bar("rule of thumb", {name: float(rule[key]) for name, key in RULE.items()}),
    ]
    device = report["device"]
    limit = (device["name"], float(device["memory_bytes"])) if device else None
    _draw(f"Memory of one step: {report['model']['id']}", bars, limit, path)


def fit_picture(report: dict[str, Any], path: Path, methods: Sequence[str] | None) -> None:
    """Draw what `adapt fit` listed: what one sequence needs, largest models first, or cheapest devices first.

    Raises:
        InputError: the file is neither .svg nor .png, or nothing fits.
        RunError: the drawing library is not installed.
    """
    check_picture(path)
    one = "device" in report
    named = methods or (MAIN_METHODS if one else (report["method"],))
    rows = [row for row in report["rows"] if row["fits"] and row["method"] in named]
    rows = merged(rows) if one else rows
    if not rows:
        raise InputError.one("MEM011", "Nothing fits, so there is nothing to draw.", "Ask for a larger device.")
    shown = rows[:MOST_BARS]
    more = f" (first {len(shown)} of {len(rows)})" if len(rows) > len(shown) else ""
    if one:
        bars = [Bar(_label(row), row["items"], _ends(row["device_bytes"])) for row in shown]
        device = report["device"]
        title = f"What fits on {device['name']}, micro-batch 1 x {report['sequence']:,} tokens{more}"
        _draw(title, bars, (device["name"], float(device["memory_bytes"])), path)
        return
    bars = [
        Bar(
            row["device"] if row["devices"] == 1 else f"{row['devices']} x {row['device']}",
            row["items"],
            _ends(row["device_bytes"]),
            float(row["memory_bytes"]),
        )
        for row in shown
    ]
    _draw(f"{report['model']}, {report['method']}: devices that hold it, cheapest first{more}", bars, None, path)


def _label(row: dict[str, Any]) -> str:
    more = f" +{len(row['same_shape'])}" if row["same_shape"] else ""
    return f"{row['model']}{more}, {row['method']}"


def check_picture(path: Path) -> None:
    """Refuse a file that cannot be drawn, before anything is computed.

    Raises:
        InputError: the name does not end in .svg or .png, or its folder is not there.
        RunError: the drawing library is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError.one("MEM010", f"`{path}` is no picture's name.", "End it in .svg or .png.")
    if not path.parent.is_dir():
        raise InputError.one("MEM010", f"The folder `{path.parent}` is not there.", "Make it, or name another.")
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        fix = "Install it: pip install 'adapt-planner[plot]'."
        raise RunError.one("MEM012", "Pictures need matplotlib, which is not installed.", fix)


def _ends(interval: dict[str, float]) -> tuple[float, float]:
    return interval["low"], interval["high"]


def _draw(title: str, bars: Sequence[Bar], limit: tuple[str, float] | None, path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # The same report gives the same bytes: no date, no random ids; text stays text.
    settings = {"svg.hashsalt": "adapt", "svg.fonttype": "none", "font.size": 9, "font.family": "DejaVu Sans"}
    with mpl.rc_context(settings):
        height = FRAME_INCHES + BAR_INCHES * len(bars)
        figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        axes = figure.add_subplot()
        furthest = max(max((*(bar.ends or ()), sum(bar.items.values()), bar.limit or 0.0)) for bar in bars)
        scale = max(furthest, limit[1] if limit else 0.0) / GB * 1.03
        _stack(axes, bars, scale)
        _ends_and_limits(axes, bars)
        if limit is not None:
            axes.axvline(limit[1] / GB, color=LIMIT, linewidth=1.6, zorder=3)
            label = f"{limit[0]}: {limit[1] / GB:.1f} GB"
            side = "right" if limit[1] / GB > scale / 2 else "left"
            axes.text(limit[1] / GB, 1.0, f" {label} ", color=LIMIT, ha=side, va="bottom",
                      transform=axes.get_xaxis_transform())  # fmt: skip
        axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
        axes.set_ylim(len(bars) - 0.45, -0.6)
        axes.set_xlim(0, scale)
        axes.set_xlabel("GB on one device (1 GB = 1e9 bytes). Black: low to high end. Red: the device ends.")
        axes.set_title(title, loc="left", fontweight="bold", pad=18)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#DDDDDD", linewidth=0.6, zorder=0)
        figure.legend(loc="outside lower center", ncols=len(ITEMS), frameon=False, handlelength=1.0, columnspacing=1.2)
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {"Software": None}
        figure.savefig(path, dpi=DOTS_PER_INCH, metadata=metadata)


def _stack(axes: Any, bars: Sequence[Bar], scale: float) -> None:
    places = range(len(bars))
    start = [0.0] * len(bars)
    for name, look in ITEMS.items():
        widths = [bar.items.get(name, 0.0) / GB for bar in bars]
        if not any(width > scale / 1000 for width in widths):
            continue
        axes.barh(places, widths, left=start, height=0.72, color=look.hex, label=name, zorder=2)
        for place, width in zip(places, widths, strict=True):
            if width > ROOM * scale:
                middle = start[place] + width / 2
                axes.text(middle, place, f"{width:.1f}", ha="center", va="center", fontsize=8, zorder=6,
                          color="black" if look.hex in _LIGHT else "white")  # fmt: skip
        start = [left + width for left, width in zip(start, widths, strict=True)]


_LIGHT = frozenset({"#E69F00", "#56B4E9", "#F0E442", "#CCCCCC", "#CC79A7"})


def _ends_and_limits(axes: Any, bars: Sequence[Bar]) -> None:
    for place, bar in enumerate(bars):
        if bar.ends is not None:
            low, high = (end / GB for end in bar.ends)
            axes.plot([low, high], [place + 0.28] * 2, color="black", linewidth=1.2, marker="|", markersize=5, zorder=5)
        if bar.limit is not None:
            axes.barh(place, bar.limit / GB, height=0.72, color=TRACK, zorder=1)
            axes.plot([bar.limit / GB] * 2, [place - 0.42, place + 0.42], color=LIMIT, linewidth=1.6, zorder=4)
