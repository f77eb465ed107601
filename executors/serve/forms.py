"""The rungs that a run measured with a model at hand, and the forms of its result: merged, quantized, as they are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from executors.models import quantized
from planner.documents import InputError, near

if TYPE_CHECKING:
    from executors.sources import Sources
    from planner.documents import Step

# The last form that the run made.
LAST = "last"
# Libraries that read weights, by how those say that they were quantized.
READ_BY = {
    "awq": "gptqmodel",
    "bitsandbytes": "bitsandbytes",
    "compressed-tensors": "compressed_tensors",
    "gptq": "gptqmodel",
    "torchao": "torchao",
}


@dataclass(frozen=True)
class Rung:
    """A finished measurement of a model folder."""

    step: Step
    folder: Path
    adapter: Path | None

    @property
    def name(self) -> str:
        """The last part of its address."""
        return self.step.address.rpartition("/")[2]

    @property
    def head(self) -> bool:
        """Whether a head answers."""
        return self.step.params.get("decoding") == "head"

    @property
    def cache(self) -> str:
        """In what keys and values were kept."""
        return str(self.step.params.get("kv_cache", "16-bit"))


class Form(NamedTuple):
    """A model of a run that can be served in place of its best rung's."""

    name: str
    obstacle: str
    """Why it cannot be served here; empty where it can."""


def rungs_of(run: Sources) -> list[Rung]:
    """What was measured, in the plan's order; of models that are only compared, too.

    Raises:
        InputError: nothing was.
    """
    done = {report.address for report in (run.report.steps if run.report else ()) if report.finished}
    found = [rung for step in run.plan.steps if step.address in done and (rung := _rung(step, run)) is not None]
    if not any(rung.step.rung for rung in found):
        message = f"The run of {run.plan.name} has no rung that was measured with a model on this machine."
        raise InputError.one("SERVE001", message, "Run the plan first: adapt run PLAN.")
    return found


def best_of(rungs: list[Rung], run: Sources) -> Rung:
    """The rung that reached the target; else the last one that is no proof of another."""
    reached = run.report.reached if run.report else None
    named = [rung for rung in rungs if rung.step.rung]
    own = [rung for rung in named if "reference" not in rung.step.inputs] or named
    return next((rung for rung in own if rung.step.rung == reached), own[-1])


def form_of(rungs: list[Rung], run: Sources, name: str) -> Rung:
    """The measurement of a form by its name, or of the last one.

    Raises:
        InputError: the run made no such form, or it cannot be read here.
    """
    if name == LAST:
        return [rung for rung in rungs if rung.step.rung][-1]
    forms = {form.name: form.obstacle for form in forms_of(run)}
    if name not in forms:
        known = ", ".join(forms) or "no other than its best"
        fix = near(name, forms) or f"It made: {known}."
        raise InputError.one("SERVE006", f"The run of {run.plan.name} made no form `{name}`.", fix)
    if forms[name]:
        message = f"The form {name} of {run.plan.name} cannot be served here: {forms[name]}."
        raise InputError.one("SERVE007", message, "Serve another form, or `adapt export` it for a server of its own.")
    return next(rung for rung in rungs if rung.name == name)


def forms_of(run: Sources) -> list[Form]:
    """The models of a run beside its best rung's, by the last part of the address of what measured them.

    Those that were made and not measured are among them: what nobody measured is not served.
    """
    rungs = rungs_of(run)
    seen, found = {best_of(rungs, run).folder}, []
    for rung in rungs:
        if rung.folder not in seen and "reference" in rung.step.inputs:
            seen.add(rung.folder)
            found.append(Form(rung.name, _obstacle(rung.folder)))
    for step in run.plan.steps:
        made = run.output(step.address, "model") if step.executor == "quantize" else None
        if made is not None and made not in seen:
            found.append(Form(step.address.rpartition("/")[2], "it was made, and its measurement did not end"))
    return found


def _rung(step: Step, run: Sources) -> Rung | None:
    compared = (step.inputs["model"].step or "").startswith("compare/") if "model" in step.inputs else False
    if step.executor != "evaluate" or not (step.rung or compared):
        return None
    found = {name: run.find(step.inputs[name]) for name in ("model", "adapter") if name in step.inputs}
    folder, adapter = found.get("model"), found.get("adapter")
    if not isinstance(folder, Path) or ("adapter" in found and not isinstance(adapter, Path)):
        return None
    return Rung(step, folder, adapter if isinstance(adapter, Path) else None)


def _obstacle(folder: Path) -> str:
    method = quantized(folder)
    library = READ_BY.get(method, "") if method else "transformers"
    if library and find_spec(library) is not None:
        return ""
    needed = f"{library}, which is not installed" if library else "a library that is not known here"
    return f"its weights are {method}, and reading them needs {needed}"
