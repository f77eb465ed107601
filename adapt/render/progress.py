"""A run while it goes on: a live line on a terminal, one line an event elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from adapt.render.units import seconds, size

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.progress import Progress, TaskID

    from planner.documents import Event

SECONDS_BETWEEN_LINES = 10.0
SYMBOLS = {
    "step-done": ("done", "green"),
    "step-cached": ("reused", "green"),
    "step-skipped": ("skipped", "dim"),
    "step-failed": ("failed", "bold red"),
    "step-retried": ("again", "yellow"),
    "step-adopted": ("waiting", "cyan"),
    "gate": ("gate", "cyan"),
    "log": ("note", "dim"),
}


class Display:
    """Shows events as they come; use as a context manager around a run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Progress | None = None
        self._task: TaskID | None = None
        self._last_line_s = 0.0
        self._gates: set[str] = set()
        """Gates that were told; several steps stand behind the same one."""

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TaskProgressColumn())
            self._live = Progress(
                *columns, TextColumn("{task.fields[detail]}", markup=False), console=self._console, transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, event: Event) -> None:
        """Show one event."""
        if event.kind == "progress":
            self._progress(event)
        elif event.kind == "step-started":
            self._started(event)
        elif event.kind == "run-started":
            self._console.print(event.message, style="bold")
        elif event.kind == "gate":
            if event.message not in self._gates:
                self._gates.add(event.message)
                self._say("gate", event.message)
        elif event.kind in SYMBOLS:
            self._finished(event)

    def _started(self, event: Event) -> None:
        self._clear()
        if self._live is not None:
            self._task = self._live.add_task(f"{event.step} ", total=None, detail=event.message)
        else:
            self._console.print(f"{event.step}: {event.message}")
            self._last_line_s = time.monotonic()

    def _progress(self, event: Event) -> None:
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=event.done or 0, total=event.total, detail=detail(event))
            return
        if time.monotonic() - self._last_line_s >= SECONDS_BETWEEN_LINES:
            self._last_line_s = time.monotonic()
            self._console.print(f"{event.step}: {share(event)}{detail(event)}")

    def _finished(self, event: Event) -> None:
        self._clear()
        address = f"{event.step}: " if event.step else ""
        self._say(event.kind, f"{address}{_message(event)}")

    def _say(self, kind: str, words: str) -> None:
        from rich.text import Text

        self._console.print(Text.assemble(SYMBOLS[kind], f" {words}"))

    def _clear(self) -> None:
        if self._live is not None and self._task is not None:
            self._live.remove_task(self._task)
            self._task = None


def _message(event: Event) -> str:
    """What came of a step: its time and its metrics, or the reason that was given."""
    report = event.data.get("report")
    if event.kind not in ("step-done", "step-cached") or not isinstance(report, dict):
        return event.message
    metrics = report.get("metrics")
    took = report.get("seconds")
    parts = [seconds(float(took))] if isinstance(took, int | float) else []
    if isinstance(metrics, dict):
        values = {name: item.get("value") for name, item in metrics.items() if isinstance(item, dict)}
        # A lenient score that says the same as the strict one is noise.
        told = [name for name in values if values[name] != values.get(name.removesuffix("_lenient")) or _strict(name)]
        parts += [f"{name} {value:.3g}" for name in told if isinstance(value := values[name], int | float)]
    return ", ".join(parts)


def _strict(name: str) -> bool:
    return not name.endswith("_lenient")


def share(event: Event) -> str:
    """How far: `40/80 rows, `."""
    if event.done is None or not event.total:
        return ""
    return f"{event.done:.0f}/{event.total:.0f} {event.unit}, "


def detail(event: Event) -> str:
    """What is known of the work: what it does, how long still, loss, speed, memory."""
    parts = [event.message] if event.message else []
    if event.remaining_s is not None:
        parts.append(f"{seconds(event.remaining_s)} left")
    if event.loss is not None:
        parts.append(f"loss {event.loss:.3f}")
    if event.tokens_per_s is not None:
        parts.append(f"{event.tokens_per_s:.0f} tokens/s")
    if event.peak_memory_bytes is not None:
        parts.append(f"peak {size(event.peak_memory_bytes)}")
    return ", ".join(parts)
