"""What a run tried and measured, as the spec of the next plan: the loop from evidence back to planning."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from planner.documents import SCREEN, Attempt, Filled, InputError, Plan, Spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from executors.report import RunReport, StepReport
    from executors.state import State
    from planner.documents import JsonValue, Step

MEASURING = frozenset({"baselines", "evaluate"})
FAILURES = "failures.json"


class Known(NamedTuple):
    """A spec that knows what a run found out."""

    spec: Spec
    folder: Path
    """Where its relative paths start: the folder of the plan that was run."""
    filled: tuple[Filled, ...]
    """What was filled in, and where it comes from."""


def spec_of_run(run: Path) -> Known:
    """The spec of the plan that was run, with its attempts and its newest diagnosis.

    Args:
        run: the plan's file, its state folder `.adapt`, or the folder of one run in it. The run may have finished,
            failed, or been stopped by a gate.

    Raises:
        InputError: there is no such run, or it measured nothing.
    """
    state, report, plan = find_run(run)
    folder = state.folder.parent
    attempts = tuple(_attempts(plan, report, state))
    failures = _failures(plan, report, state)
    if not attempts and failures is None:
        fix = f"Its outcome: {report.because}"
        raise InputError.one("CLI008", f"The run of {plan.name} has measured nothing yet.", fix, file=str(run))
    because = f"the run {report.run} of {plan.name} ({report.status}) measured them"
    filled = []
    update: dict[str, object] = {}
    if attempts:
        known = [*plan.spec.attempts, *(each for each in attempts if each not in plan.spec.attempts)]
        update["attempts"] = tuple(known)
        told: list[JsonValue] = [each.to_json() for each in attempts]
        filled.append(Filled(pointer="/attempts", value=told, because=because))
    if failures is not None:
        update["failures"] = failures
        why = f"it is the newest diagnosis of the run {report.run}"
        filled.append(Filled(pointer="/failures", value=failures, because=why))
    return Known(plan.spec.model_copy(update=update), folder, tuple(filled))


def find_run(run: Path) -> tuple[State, RunReport, Plan]:
    """The state folder, the report and the plan of a run.

    Args:
        run: the plan's file, its state folder `.adapt`, or the folder of one run in it.

    Raises:
        InputError: there is no such run.
    """
    import adapt
    from executors.state import STATE_FOLDER, State
    from executors.status import read_status

    if not run.exists():
        raise InputError.one("CLI007", f"{run} is not there.", "Name a plan that was run, or its .adapt folder.")
    wanted: str | None = None
    if run.is_file():
        state = State((run.parent / STATE_FOLDER).absolute())
        wanted = state.run(adapt.load(run).digest).id
    else:
        above = run.absolute()
        wanted = above.name if (above / "plan.json").is_file() and above.parent.name == "runs" else None
        state = State(above.parent.parent if wanted else above if above.name == STATE_FOLDER else above / STATE_FOLDER)
    found = [each.report for each in read_status(state) if wanted in (None, each.report.run)]
    if not found:
        raise InputError.one("CLI006", f"{run} has not been run.", f"Run it: adapt run {run}.", file=str(run))
    return state, found[0], adapt.load(state.folder / "runs" / found[0].run / "plan.json")


def _attempts(plan: Plan, report: RunReport, state: State) -> Iterator[Attempt]:
    """What each rung tried, in the words of a spec; rungs that prove a merge or a file say nothing new.

    A few rows of a rung speak for it where it was left at them.
    """
    steps = {step.address: step for step in plan.steps}
    reports = {each.address: each for each in report.steps}
    for each in report.steps:
        step = steps[each.address]
        proves = any(gate.when == "after" for gate in step.gates)
        whole = reports.get(each.address.removesuffix(SCREEN)) if each.address.endswith(SCREEN) else None
        repeated = proves or (whole is not None and whole.finished)
        if step.executor not in MEASURING or not each.rung or not each.finished or repeated:
            continue
        metrics = {name: found.value for name, found in each.metrics.items() if name in _asked(plan)}
        yield _attempt(step, metrics, steps, reports, state)
    yield from _rounded(plan, reports)


def _rounded(plan: Plan, reports: dict[str, StepReport]) -> Iterator[Attempt]:
    """What the fewer bits of the form that is served cost in the task's score."""
    decisions = {name: plan.decision(name) for name in ("quantization", "serving")}
    form, serving = (str(found.answer) if found else "" for found in decisions.values())
    report = reports.get(f"equivalence/{form}")
    if report is not None and report.finished and "metric_loss" in report.metrics:
        lost = {"metric_loss": report.metrics["metric_loss"].value}
        yield Attempt(
            approach="prompt" if serving == "base" else "finetune", method=f"quantized to {form}", metrics=lost
        )


def _asked(plan: Plan) -> set[str]:
    """The metrics that decisions look at, and how well passages were found."""
    evaluation = plan.spec.evaluation
    return {*evaluation.metrics, *evaluation.target, "recall_at_1", "recall_at_5", "recall_at_10"}


def _attempt(
    step: Step, metrics: dict[str, float], steps: dict[str, Step], reports: dict[str, StepReport], state: State
) -> Attempt:
    if step.executor == "baselines":
        chosen = reports[step.address].notes.get("chosen")
        return Attempt.model_validate({"approach": "baselines", "method": chosen, "metrics": metrics})
    source = {name: steps[each.step] for name, each in step.inputs.items() if each.step in steps}
    index = source.get("index")
    retrieval = str(index.params["method"]) if index else None
    trained = next((each for each in source.values() if each.executor in ("train", "linear-probe")), None)
    if trained is not None:
        rows = reports[trained.address].notes.get("rows")
        examples = rows if isinstance(rows, int) else None
        method = str(trained.params.get("method", trained.executor))
        return Attempt.model_validate(
            {"approach": "finetune", "method": method, "examples": examples, "retrieval": retrieval, "metrics": metrics}
        )
    prompts, examples = _prompts(source.get("prompt"), reports, state)
    if index is not None:
        order = "rerank" if "reranker" in step.inputs else None
        return Attempt.model_validate({"approach": "rag", "retrieval": retrieval, "method": order, "metrics": metrics})
    held = step.params.get("decoding", "free")
    return Attempt.model_validate(
        {
            "approach": "few-shot" if examples else "prompt",
            "prompts_tried": prompts,
            "examples": examples or None,
            "method": None if held == "free" else f"constrained decoding ({held})",
            "metrics": metrics,
        }
    )


def _prompts(prompt: Step | None, reports: dict[str, StepReport], state: State) -> tuple[int | None, int]:
    """Prompts that were tried, where a search counted them, and the examples in the one that was measured."""
    if prompt is None:
        return None, 0
    if prompt.executor != "prompt-search":
        return None, int(str(prompt.params.get("examples", 0)))
    from executors.search.leaderboard import Leaderboard
    from executors.store import Store

    artifact = reports[prompt.address].artifacts.get("leaderboard")
    if artifact is None:
        return None, 0
    board = Leaderboard.model_validate_json(Store(state.store).path(artifact.digest).read_bytes())
    return sum(entry.score is not None for entry in board.entries), board.entries[0].examples


def _failures(plan: Plan, report: RunReport, state: State) -> str | None:
    """The newest diagnosis as a file beside the run, told from the plan's folder; None when there is none."""
    from executors.files import write_atomic
    from executors.store import Store

    diagnosed = [
        each.artifacts["report"]
        for each in report.steps
        if each.executor == "diagnose" and each.finished and "report" in each.artifacts
    ]
    if not diagnosed:
        return None
    path = Store(state.store).path(diagnosed[-1].digest)
    if not path.exists():
        return None
    kept = state.run(plan.digest).folder / FAILURES
    write_atomic(kept, path.read_text(encoding="utf-8"))
    return Path(os.path.relpath(kept, state.folder.parent)).as_posix()
