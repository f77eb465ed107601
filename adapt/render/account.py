"""A run accounted for, as a page: the outcome, rungs, decisions, steps with their cost, what was left, storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapt.render.forms import FORM_COLUMNS, form_cells
from adapt.render.merging import sources_told
from adapt.render.page import Page, Span, Words
from adapt.render.report import difference
from adapt.render.training import trainings_told
from adapt.render.units import plain, score, seconds, size

if TYPE_CHECKING:
    from executors.account import Account, Storage
    from executors.report import RungReport

LOOKS = {"done": "answer", "failed": "warning", "stopped": "warning", "interrupted": "warning", "running": "source"}


def account(document: Account) -> Page:
    """The whole page."""
    page, report = Page(), document.report
    page.heading(f"Run of {report.name}", 1)
    page.line(Span(report.because, LOOKS[report.status]))  # type: ignore[arg-type]
    if report.target:
        wanted = ", ".join(f"{name} {goal:g}" for name, goal in sorted(report.target.items()))
        met = f"met by {report.reached}" if report.reached else "not met by any rung that was measured"
        page.line((f"Target {wanted}: ", Span(met, "strong")))
    _rungs(page, document)
    _forms(page, document)
    if trained := trainings_told(document.report.steps):
        page.heading("What training came to")
        page.points(trained)
    if told := sources_told(document.report.steps):
        page.heading("What was merged")
        page.points(told)
    _regret(page, document)
    if document.decisions:
        page.heading("Decisions")
        page.grid(
            ("Decision", "Answer", "Because"),
            (
                (each.question, Span(plain(each.answer) or "nothing", "strong"), each.because)
                for each in document.decisions
            ),
        )
    _steps(page, document)
    _left(page, document)
    _storage(page, document)
    return page


def _rungs(page: Page, document: Account) -> None:
    rungs = document.report.rungs
    if not rungs:
        return
    page.heading("Rungs, with 95% intervals")
    metrics = list(dict.fromkeys(name for rung in rungs for name in rung.metrics))
    page.grid(("Rung", *metrics, "Time", "Decision"), (_rung(rung, metrics) for rung in rungs))
    gains = [
        f"{rung.rung} over {rung.gain.rung}, {rung.gain.metric}: {difference(rung.gain)}" for rung in rungs if rung.gain
    ]
    changed = [
        f"{found.step.partition('/')[2]}, {found.metric} after training: {difference(found)}"
        for found in document.report.regressions
    ]
    page.points([*gains, *changed])


def _rung(rung: RungReport, metrics: list[str]) -> tuple[Words, ...]:
    scores = (score(rung.metrics[name]) if name in rung.metrics else "-" for name in metrics)
    time = "-" if rung.seconds is None else seconds(rung.seconds)
    return (Span(rung.rung, "strong"), *scores, time, rung.decision)


def _forms(page: Page, document: Account) -> None:
    found = document.report.equivalence
    if not found:
        return
    page.heading("Equivalence: each form held against what was measured, on the same prompts")
    metric = found[0].metric or "Score"
    page.grid((*FORM_COLUMNS[:3], metric, *FORM_COLUMNS[3:]), (form_cells(each) for each in found))
    if any(each.dequantized for each in found):
        page.line("* GGUF answered with its weights unpacked to 16 bits; llama.cpp has a speed of its own.")


def _regret(page: Page, document: Account) -> None:
    found = document.report.regret
    if found is None:
        return
    page.heading("What the gates would have picked")
    picked = "nothing would be measured" if found.picked is None else found.picked
    lost = difference(found.lost) if found.lost else "the answers cannot be compared"
    lost = "none, it is the best" if found.picked == found.best else lost
    best = f"{found.best} ({found.metric} {score(found.best_score)})"
    page.points(
        [
            f"Picked by the gates: {picked}; best of all rungs: {best}",
            f"Regret: {lost}",
            f"CPU saved by the gates: {found.saved:.0%} of {seconds(found.all_cpu_s)}",
        ]
    )


def _steps(page: Page, document: Account) -> None:
    page.heading("Steps and their cost")
    rows: list[tuple[Words, ...]] = []
    for step in document.report.steps:
        cost = step.cost
        memory = "-" if cost is None else size(cost.device_peak_bytes or cost.peak_memory_bytes)
        wall, cpu = ("-", "-") if cost is None else (seconds(cost.wall_s), seconds(cost.cpu_s))
        rows.append((Span(step.address, "strong"), step.status, wall, cpu, memory, step.reason))
    page.grid(("Step", "State", "Wall", "CPU", "Peak memory", "Why"), rows)
    total = document.report.cost
    page.line(
        f"Together {seconds(total.wall_s)} wall, {seconds(total.cpu_s)} CPU, peak {size(total.peak_memory_bytes)}"
    )


def _left(page: Page, document: Account) -> None:
    if not document.artifacts:
        return
    page.heading("What it left")
    page.grid(
        ("Output", "Of step", "Kind", "Size", "Content"),
        (
            (
                Span(each.name or each.output, "strong" if each.name else "plain"),
                each.step,
                each.kind,
                size(each.bytes),
                each.digest[:19] if each.there else "no longer in the store",
            )
            for each in document.artifacts
        ),
    )
    if document.state_bytes:
        parts = ", ".join(f"{name} {size(count)}" for name, count in document.state_bytes.items())
        page.line(f"The state folder holds {size(sum(document.state_bytes.values()))}: {parts}")


def _storage(page: Page, document: Account) -> None:
    if document.storage:
        page.heading("Storage, merged against shared")
        page.grid(
            ("Variants", "A merged model each", "One base with an adapter each", "Saved"), map(_row, document.storage)
        )


def _row(found: Storage) -> tuple[Words, ...]:
    times = f"{found.saving:.1f} times less" if found.saving > 1 else f"merged is {1 / found.saving:.1f} times less"
    return (str(found.tenants), size(found.merged_bytes), size(found.shared_bytes), times)
