"""What can be known to go wrong before anything starts, gathered over all steps."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from executors.environments import environments_of, missing
from executors.registry import load_executor
from planner.documents import Finding, InputError, Where
from planner.documents.problems import findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.contract import Executor, Site
    from executors.registry import Registry
    from planner.documents import Document, Estimate, Step

_GB = 10**9


def load_executors(steps: Sequence[Step], registry: Registry) -> dict[str, Executor]:
    """The executors that the steps name.

    Raises:
        InputError: with a finding for every executor that is missing, does not load, or has another version.
    """
    loaded: dict[str, Executor] = {}
    problems: dict[str, Finding] = {}
    for index, step in enumerate(steps):
        where = Where(pointer=f"/steps/{index}/executor")
        if step.executor in problems:
            continue
        try:
            executor = loaded.get(step.executor) or load_executor(registry, step.executor)
        except InputError as error:
            (finding,) = error.findings
            message = f"The step {step.address} cannot be run. {finding.message}"
            problems[step.executor] = finding.model_copy(update={"message": message, "where": where})
            continue
        if executor.version != step.version:
            message = (
                f"The step {step.address} was planned for version {step.version} of the executor `{step.executor}`; "
                f"here is version {executor.version}."
            )
            finding = Finding(code="RUN181", severity="error", message=message, fix="Plan again.", where=where)
            problems[step.executor] = finding
        loaded[step.executor] = executor
    if problems:
        raise InputError(problems.values())
    return loaded


def precheck(steps: Sequence[Step], executors: dict[str, Executor], site: Site) -> tuple[Finding, ...]:
    """Check parameters and machine for every step.

    Returns:
        Warnings and notes.

    Raises:
        InputError: with every problem that would make a step fail.
    """
    found = [finding for index, step in enumerate(steps) for finding in _check(step, index, executors, site)]
    if any(finding.severity == "error" for finding in found):
        raise InputError(finding for finding in found if finding.severity == "error")
    return tuple(found)


def disk_needed_bytes(step: Step, executor: Executor, site: Site) -> float:
    """What a step is expected to write, in bytes; 0 when nobody knows."""
    estimate: Estimate | None = step.resources.disk
    if estimate is None:
        try:
            estimate = executor.estimate(step, site).disk
        except Exception:  # noqa: BLE001 - a third party's estimate may fail; a full disk is told later all the same
            return 0.0
    return estimate.expected if estimate is not None else 0.0


def check_disk(needed_bytes: float, site: Site) -> None:
    """Refuse to start what the disk cannot hold.

    Raises:
        InputError: it is too small; the message says how much is needed and free.
    """
    if needed_bytes > site.disk_free_bytes:
        free, needed = site.disk_free_bytes / _GB, needed_bytes / _GB
        message = f"The disk is too small: the steps need about {needed:.2f} GB, {free:.2f} GB are free."
        fix = "Free some space, or run the plan from a folder on a larger disk."
        raise InputError([Finding(code="RUN182", severity="error", message=message, fix=fix)])


def _check(step: Step, index: int, executors: dict[str, Executor], site: Site) -> list[Finding]:
    executor = executors[step.executor]
    problems = _check_libraries(step, index, executor) + _check_outputs(step, index, executor)
    problems += _check_params(step, index, executor)
    if problems:
        return problems
    try:
        return executor.check(step, site)
    except Exception as error:  # noqa: BLE001 - a third party's check may fail in any way
        message = f"The check of {step.address} by the executor `{step.executor}` failed: {error}."
        where = Where(pointer=f"/steps/{index}")
        return [Finding(code="RUN183", severity="error", message=message, where=where)]


def _check_libraries(step: Step, index: int, executor: Executor) -> list[Finding]:
    if step.environment is not None:
        return missing(step.environment, step.address, environments_of(executor), f"/steps/{index}/environment")
    absent = [name for name in executor.libraries if find_spec(name) is None]
    if not absent:
        return []
    message = f"{step.address} needs {', '.join(absent)}, not installed here."
    fix = "Install what runs plans: pip install 'adapt-planner[run]' -c constraints.txt."
    where = Where(pointer=f"/steps/{index}/executor")
    return [Finding(code="RUN186", severity="error", message=message, fix=fix, where=where)]


def _check_outputs(step: Step, index: int, executor: Executor) -> list[Finding]:
    unknown = sorted(set(step.outputs) - set(executor.outputs))
    if not unknown:
        return []
    message = f"The executor `{step.executor}` of {step.address} leaves no output {', '.join(unknown)}."
    fix = f"It leaves: {', '.join(sorted(executor.outputs)) or 'nothing'}."
    where = Where(pointer=f"/steps/{index}/outputs")
    return [Finding(code="RUN184", severity="error", message=message, fix=fix, where=where)]


def _check_params(step: Step, index: int, executor: Executor) -> list[Finding]:
    problems: list[Finding] = []
    changed: dict[str, Any] = {}
    # A retry that cannot be applied is found now, not after hours.
    for params in (dict(step.params), *(changed := {**step.params, **changed, **retry.set} for retry in step.retry)):
        try:
            executor.params.model_validate_json(json.dumps(params))
        except ValidationError as error:
            # `findings` asks of a model only its schema, which every pydantic model has.
            model = cast("type[Document]", executor.params)
            for finding in findings(error, model, params, code="PARAM", file=None):
                message = f"{step.address}: {finding.message}"
                where = Where(pointer=f"/steps/{index}/params{finding.where.pointer or ''}")
                problems.append(finding.model_copy(update={"message": message, "where": where}))
            break
    return problems
