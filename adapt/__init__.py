"""Decide whether to prompt, retrieve or finetune a language model, plan it, and run the plan.

`plan` decides, `load` reads a plan back, `run` carries it out, `review` judges configurations that people wrote for
other tools. Everything heavy is imported when it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.documents import AdaptError, Finding, Findings, InputError, LockedError, Plan, RunError, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from adapt.from_run import Known
    from executors.report import RunReport
    from planner.documents import Event, Filled

__all__ = [
    "AdaptError",
    "Finding",
    "Findings",
    "InputError",
    "LockedError",
    "Plan",
    "RunError",
    "Spec",
    "load",
    "next_spec",
    "plan",
    "review",
    "run",
    "save",
]


def plan(
    spec: Path | str | Mapping[str, Any] | Spec, *, folder: Path | None = None, known: tuple[Filled, ...] = ()
) -> Plan:
    """Decide how to adapt a model, and write down every step.

    Args:
        spec: a spec file (JSON, YAML, TOML), or the spec as plain values or as a document.
        folder: where the spec's relative paths start; the spec file's folder by default.
        known: fields of the spec that were filled from elsewhere, to be told in the plan; see `next_spec`.

    Raises:
        InputError: something in the spec, or a file that it names, cannot be used; with every problem at once.
    """
    from planner.planning import plan as decide

    return decide(spec, folder=folder, known=known)


def next_spec(run: Path | str) -> Known:
    """The spec of a plan that was run, with what the run tried, measured and diagnosed; for `plan`.

    Args:
        run: the plan's file, its state folder `.adapt`, or the folder of one run in it.

    Raises:
        InputError: there is no such run, or it measured nothing.
    """
    from adapt.from_run import spec_of_run

    return spec_of_run(Path(run))


def load(path: Path | str) -> Plan:
    """Read a plan, and make sure that it is what the planner wrote.

    Raises:
        InputError: no such file, not a plan, of a newer major, or changed by hand.
    """
    from executors.plan_file import read_plan

    return read_plan(Path(path))


def save(document: Plan, path: Path | str) -> None:
    """Write a plan, whole or not at all: sorted keys, two spaces, the same bytes for the same plan.

    Raises:
        RunError: the disk is full.
        OSError: the file cannot be written.
    """
    from executors.files import write_atomic
    from planner.documents import pretty_json

    write_atomic(Path(path), pretty_json(document.to_json()))


def run(
    document: Plan | Path | str,
    root: Path | None = None,
    *,
    allow_paths: Sequence[Path] = (),
    all_rungs: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> RunReport:
    """Carry a plan out, step after step, and stop at the first rung that meets the target; again: go on from there.

    Args:
        document: a plan, or its file.
        root: the folder that the plan's paths start from; the file's folder by default.
        allow_paths: folders outside of the root that the plan may read.
        all_rungs: whether every rung is measured whatever its gates say, and the report tells what they would have
            picked.
        on_event: called with every event, progress included.

    Raises:
        InputError: the plan cannot be run; nothing was written.
        LockedError: another run holds the state folder.
    """
    from executors.runner import run_plan

    source = Path(document) if isinstance(document, str) else document
    return run_plan(source, root, allow_paths=allow_paths, all_rungs=all_rungs, on_event=on_event)


def review(
    files: Sequence[Path | str],
    *,
    model: str | None = None,
    hardware: str | Mapping[str, Any] | None = None,
    data: Path | str | int | Mapping[str, Any] | None = None,
    rules: Sequence[Path | str] = (),
) -> Findings:
    """Judge configurations that people wrote: TRL, Axolotl, LLaMA-Factory, PEFT, mergekit, specs and plans of adapt.

    A file that cannot be read is a finding of its own; the others are reviewed all the same.

    Args:
        files: YAML, JSON or TOML files, or folders with some; the tool is recognised by what they hold.
        model: folder, file or id of the model, where a file names none that is known.
        hardware: a device such as `a10g` or `8xh100`, or devices in full as in a spec; without it nothing is said of
            fitting into memory.
        data: the file with the training data, or how many rows it has; or both by role, as in a spec.
        rules: rule books of your own.

    Raises:
        InputError: the model, the hardware, the data or a rule book cannot be used.
    """
    from planner.review import review as judge

    return judge(files, model=model, hardware=hardware, data=data, rule_books=rules)
