"""The model card of a run's result: what it is, from which base and data, how it was made, and what it scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from executors.export.finished import Finished
    from executors.report import RungReport
    from planner.documents import Measurement, Pin

UNKNOWN = "not stated"


def card(found: Finished, *, kind: str) -> str:
    """The card as Markdown with the front matter that hubs read.

    Args:
        found: the run's results.
        kind: `model` or `adapter`, what lies beside the card.
    """
    parts = [
        _front(found, kind),
        f"# {found.name}",
        _about(found, kind),
        _prompted(found),
        _data(found),
        _results(found),
        _limits(found),
        _recipe(found, kind),
        _origin(found),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _front(found: Finished, kind: str) -> str:
    import yaml

    licences = {pin.license for pin in _parts(found).values()} or {found.base.license if found.base else None}
    values: dict[str, Any] = {
        "base_model": found.base_id,
        # A hub's word for terms that stand in the card: those of all parts together.
        "license": (next(iter(licences)) or "unknown") if len(licences) == 1 else "other",
        "library_name": "peft" if kind == "adapter" else "transformers",
        "pipeline_tag": "text-generation",
        "tags": [str(found.sources.plan.spec.task.kind or "generation"), *_methods(found)],
    }
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---"


def _parts(found: Finished) -> dict[str, Pin]:
    """The models that a merge was made of, by the name of their pin; none where nothing was merged."""
    pins = found.sources.plan.pins
    return {name: pin for name, pin in sorted(pins.items()) if name.startswith(("model/source-", "model/merge-base"))}


def _methods(found: Finished) -> list[str]:
    step = found.adapter.step if found.adapter else found.made_by
    return [str(step.params[name]) for name in ("method", "objective") if step and name in step.params]


def _about(found: Finished, kind: str) -> str:
    use = (
        f"An adapter for `{found.base_id}`: load it with `peft.PeftModel.from_pretrained(base, folder)`."
        if kind == "adapter"
        else f"A model made from `{found.base_id}`: load it with `transformers.AutoModelForCausalLM`."
    )
    return f"{found.sources.plan.spec.task.description}\n\n{use}"


def _prompted(found: Finished) -> str:
    if found.prompt is None or not found.prompt.system:
        return ""
    shown = f", and {len(found.prompt.examples)} examples after it" if found.prompt.examples else ""
    quoted = "\n".join(f"> {line}".rstrip() for line in found.prompt.system.splitlines())
    return f"It was measured with this system text{shown}:\n\n{quoted}"


def _data(found: Finished) -> str:
    plan = found.sources.plan
    surveyed = plan.surveyed.get("data")
    rows = []
    for name, pin in sorted(plan.pins.items()):
        if pin.kind == "model":
            continue
        told = surveyed.get(name.partition("/")[2]) if isinstance(surveyed, dict) else None
        count = told.get("rows") if isinstance(told, dict) else None
        rows.append(
            f"| {pin.path} | {count if count is not None else '-'} | {pin.license or UNKNOWN} | {_short(pin)} |"
        )
    licence = (found.base.license if found.base else None) or UNKNOWN
    lines = ["## Data and licences", "", f"Licence of the base: {licence}.", ""]
    if parts := _parts(found).values():
        lines += ["Of a merge the terms of every part hold.", "", "| part | licence | content |", "|---|---|---|"]
        lines += [f"| {pin.id or pin.path} | {pin.license or UNKNOWN} | {_short(pin)} |" for pin in parts]
        lines.append("")
    return "\n".join([*lines, "| file | rows | licence | content |", "|---|---|---|---|", *rows])


def _short(pin: Pin) -> str:
    return f"`{pin.digest[:19]}`" if pin.digest else "-"


def _results(found: Finished) -> str:
    report = found.sources.report
    rungs = [rung for rung in (report.rungs if report else ()) if rung.metrics]
    if not rungs:
        return "## Results\n\nNothing was measured."
    metrics = list(dict.fromkeys(name for rung in rungs for name in rung.metrics))
    head = ["## Results", "", "Scores with 95% intervals, on rows that were not trained on.", ""]
    table = [f"| rung | {' | '.join(metrics)} |", f"|---|{'---|' * len(metrics)}"]
    table += [f"| {rung.rung} | {' | '.join(_cell(rung, name) for name in metrics)} |" for rung in rungs]
    goals = [f"{name} {goal:g}" for name, goal in sorted((report.target if report else {}).items())]
    reached = report.reached if report else None
    met = f"met by {reached}" if reached else "not met"
    return "\n".join([*head, *table, *(["", f"Target {', '.join(goals)}: {met}."] if goals else [])])


def _cell(rung: RungReport, name: str) -> str:
    return measured(rung.metrics[name]) if name in rung.metrics else "-"


def measured(value: Measurement) -> str:
    """A score with its interval."""
    if value.low is None or value.high is None:
        return f"{value.value:.3g}"
    return f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})"


def _limits(found: Finished) -> str:
    told = [item for item in found.sources.plan.warnings if item.severity == "warning"]
    if not told:
        return ""
    return "\n".join(["## Limits", "", *(f"- {item.message}" for item in told)])


def _recipe(found: Finished, kind: str) -> str:
    """The recipe as training wrote it into its own card; else the parameters that took effect."""
    step = found.adapter.step if found.adapter else found.made_by
    folder = found.adapter.folder if found.adapter else found.model
    own = (folder / "README.md") if folder else None
    if own is not None and own.is_file():
        _, _, recipe = own.read_text(encoding="utf-8").partition("## Recipe\n")
        if recipe.strip():
            merged = "" if kind == "adapter" or found.made_by is None else f"{found.made_by.title}.\n\n"
            return f"## Recipe\n\n{merged}{recipe.strip()}"
    if step is None:
        return ""
    reports = {one.address: one for one in (found.sources.report.steps if found.sources.report else ())}
    params = reports[step.address].params or dict(step.params)
    rows = [f"| {name.replace('_', ' ')} | {value} |" for name, value in sorted(params.items()) if value is not None]
    return "\n".join(["## Recipe", "", f"{step.title}.", "", "| parameter | value |", "|---|---|", *rows])


def _origin(found: Finished) -> str:
    report, plan = found.sources.report, found.sources.plan
    lines = ["## Where it comes from", "", f"Plan `{plan.digest}`, adapt-planner {plan.planner}"]
    if report is not None:
        lines[-1] += f", run `{report.run}`: {report.cost.cpu_s / 60:.1f} minutes of CPU"
    return "\n".join(lines) + "."
