"""A run's report on a terminal: rung, score, time, decision; then what it left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from adapt.render.forms import FORM_COLUMNS, form_cells
from adapt.render.merging import sources_told
from adapt.render.prompts import leaderboards
from adapt.render.training import trainings_told
from adapt.render.units import score, seconds, size
from planner.documents import Measurement

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from executors.comparison import Comparison
    from executors.regret import Regret
    from executors.report import RunReport, StepReport
    from planner.documents import JsonValue

STATUS_STYLES = {"done": "green", "stopped": "yellow", "failed": "bold red", "interrupted": "yellow", "running": "cyan"}


def report(document: RunReport, state: Path) -> RenderableType:
    """The table of rungs, the outcome, the cost, and where the results are."""
    parts: list[RenderableType] = []
    if document.rungs:
        parts += [_rungs(document), Text()]
    if document.equivalence:
        parts += [_forms(document), Text()]
    for table in leaderboards(document.steps):
        parts += [table, Text()]
    if document.regret is not None:
        parts += [_regret(document.regret), Text()]
    parts += [
        Text(line)
        for line in (
            *trainings_told(document.steps),
            *sources_told(document.steps),
            *_found(document),
            *_gains(document),
            *_regressions(document),
            *_slices(document),
        )
    ]
    text = Text(document.because, style=STATUS_STYLES[document.status])
    if document.target:
        wanted = ", ".join(f"{name} {goal:g}" for name, goal in sorted(document.target.items()))
        text.append(f"\nTarget {wanted}: ")
        text.append(f"met by {document.reached}" if document.reached else "not met by any rung that was measured")
    cost = document.cost
    text.append(
        f"\nWork {seconds(cost.wall_s)} wall, {seconds(cost.cpu_s)} CPU, peak memory {size(cost.peak_memory_bytes)}"
    )
    text.append(f"; this call took {seconds(document.wall_s)}")
    for name, path in document.outputs.items():
        text.append(f"\n{name}: {state / path}")
    parts.append(text)
    return Group(*parts)


def _forms(document: RunReport) -> Table:
    """What each form of the result keeps and costs."""
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
    table.title = "Each form held against what was measured, on the same prompts"
    for name in (*FORM_COLUMNS[:3], document.equivalence[0].metric or "Score", *FORM_COLUMNS[3:]):
        table.add_column(name, overflow="fold")
    for form in document.equivalence:
        table.add_row(*form_cells(form))
    return table


def _regret(found: Regret) -> Table:
    """What the gates would have picked beside what is best: score, points lost, and the price of each."""
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
    table.title = "With its gates, the run would end thus"
    for name in ("", "Rung", f"{found.metric} (95%)", "CPU", "Wall"):
        table.add_column(name, overflow="fold")
    picked = score(found.picked_score) if found.picked_score else "-"
    table.add_row("Picked by the gates", found.picked or "none", picked, seconds(found.cpu_s), seconds(found.wall_s))
    whole = (seconds(found.all_cpu_s), seconds(found.all_wall_s))
    table.add_row("Best of all rungs", found.best, score(found.best_score), *whole)
    saved = (f"{found.saved:.0%} saved", f"{_share(found.wall_s, found.all_wall_s):.0%} saved")
    table.add_row("Regret", "", _lost(found), *saved)
    return table


def _lost(found: Regret) -> str:
    if found.picked is None:
        return "no rung would be measured"
    if found.picked == found.best:
        return "none, it is the best"
    return difference(found.lost) if found.lost else "the answers cannot be compared"


def _share(part: float, whole: float) -> float:
    return 1 - part / whole if whole else 0.0


def difference(found: Comparison) -> str:
    """A difference in points of 100 with its interval: `+12 points (6 to 18)`, or that it may be chance."""
    # A perplexity has no points of 100.
    scale, unit, digits = (1, "", ".2f") if found.metric == "perplexity" else (100, " points", ".0f")
    ends = [f"{scale * end:+{digits}}" for end in (found.low, found.high)]
    if not found.is_real:
        return f"no real difference ({ends[0]} to {ends[1]}{unit})".replace("+0 to +0", "0 to 0")
    near, far = ends if found.value > 0 else ends[::-1]
    return f"{scale * found.value:+{digits}}{unit} ({near} to {far})"


def _found(document: RunReport) -> list[str]:
    """How well each search finds the passage that answers, on questions that are not the test's."""
    lines = []
    for step in document.steps:
        if step.executor == "retrieve" and step.metrics:
            shown = ", ".join(f"{name} {score(one)}" for name, one in step.metrics.items())
            given = step.notes.get("passages_shown")
            lines.append(f"Search {step.address.partition('/')[2]}: {shown}; passages in a prompt: {given}")
    return lines


def _gains(document: RunReport) -> list[str]:
    """Whether each rung is better than the best before it."""
    return [
        f"{rung.rung} over {rung.gain.rung}, {rung.gain.metric}: {difference(rung.gain)}"
        for rung in document.rungs
        if rung.gain is not None
    ]


def _regressions(document: RunReport) -> list[str]:
    """What training did to the other skills, and how the trained model answers probes."""
    lines = []
    for step in document.steps:
        if step.executor == "probes" and step.metrics and not step.address.endswith("-before"):
            shown = ", ".join(f"{name} {score(one)}" for name, one in step.metrics.items())
            lines.append(f"Probes of the trained model: {shown}")
    for found in document.regressions:
        name = found.step.partition("/")[2]
        what = "Probes" if name == "probes" else f"Other skill {name}"
        lines.append(f"{what}, {found.metric} after training: {difference(found)}")
    return lines


def _slices(document: RunReport) -> list[str]:
    """The parts of the cases on which the last rung does clearly better or worse than on all."""
    steps = {step.address: step for step in document.steps}
    measured = [rung for rung in document.rungs if steps[rung.step].notes.get("slices")]
    if not measured:
        return []
    step = steps[measured[-1].step]
    lines = []
    for part in step.notes["slices"] if isinstance(step.notes["slices"], list) else []:
        found = _apart(part, step, sorted(document.target)) if isinstance(part, dict) else None
        if found is not None:
            lines.append(f"{measured[-1].rung}, {found}")
    return lines


def _apart(part: dict[str, JsonValue], step: StepReport, target: list[str]) -> str | None:
    """A slice whose interval does not touch that of the whole, in words; by the target's metric where it has it."""
    figures = part.get("metrics")
    if not isinstance(figures, dict):
        return None
    for metric in (*target, *figures):
        whole, values = step.metrics.get(metric), figures.get(metric)
        if whole is None or not isinstance(values, dict):
            continue
        one = Measurement.model_validate(values)
        if None in (one.low, one.high, whole.low, whole.high):
            return None
        if float(one.high or 0) < float(whole.low or 0) or float(one.low or 0) > float(whole.high or 0):
            where = f"{part.get('name')} {part.get('value')} ({part.get('n')} cases)"
            return f"{where}: {metric} {score(one)}, on all {score(whole)}"
        return None
    return None


def _rungs(document: RunReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    metrics = list(dict.fromkeys(name for rung in document.rungs for name in rung.metrics))
    for name in ("Rung", *(f"{metric} (95%)" for metric in metrics), "Time", "Decision"):
        table.add_column(name, overflow="fold")
    for rung in document.rungs:
        scores = [score(rung.metrics[name]) if name in rung.metrics else "-" for name in metrics]
        time = "-" if rung.seconds is None else seconds(rung.seconds)
        table.add_row(rung.rung, *scores, time, rung.decision)
    return table
