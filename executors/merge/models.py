"""The executor that makes one model of several, tensor by tensor, through mergekit."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from executors.contract import Job, Outcome, Params, Site
from executors.errors import classify
from executors.evaluate.needs import unmet
from executors.files import remove
from executors.inputs import missing_inputs
from executors.merge.alignment import align_all
from executors.merge.choosing import choose
from executors.merge.executor import fold
from executors.merge.experts import growth
from executors.merge.kinship import check_kin
from executors.merge.params import STACKS, VECTORS, MergeModelsParams
from executors.merge.quiet import import_mergekit
from executors.merge.reloading import reload
from executors.merge.sources import check_sources, elements, first_not_finite, layers_of
from executors.merge.writing import BASE, FIRST, beside, write
from executors.models import DTYPE_BYTES
from executors.progress import tell
from planner.documents import Finding, InputError, Resources, RunError, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import JsonValue
    from planner.documents.events import ErrorClass


class MergeModels:
    """Models of one shape, or layers of them, as one model folder that serves at the cost of one."""

    name: ClassVar[str] = "merge-models"
    version: ClassVar[str] = "2"
    params: ClassVar[type[Params]] = MergeModelsParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "peft", "mergekit", "safetensors", "psutil")
    outputs: ClassVar[Mapping[str, str]] = {"model": "model", "adapter": "adapter"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs, and what a plan may ask for that is not done here."""
        del site
        params = MergeModelsParams.model_validate(step.params)
        needed = [f"source-{number}" for number in range(len(params.adapters))]
        if params.method in VECTORS or any(params.adapters) or (params.method == "moe" and len(params.adapters) > 1):
            needed.append(BASE)
        measured: list[Finding] = []
        if params.choosing is not None:
            needed += ["validation", "prompt"]
            asked = step.model_copy(
                update={"params": step.params["choosing"], "inputs": step.inputs | {"model": step.inputs.get(FIRST)}}
            )
            measured = [*unmet(asked)]
        return [*missing_inputs(step, needed, "MERGE001"), *measured]

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned: neither the step nor the site tells the models' size."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/model`; nothing is left there unless all of it is sound.

        Raises:
            InputError: a source cannot be read, or differs from the others in shape or vocabulary.
            RunError: the disk is too small, or the merged weights are not finite.
        """
        params: MergeModelsParams = job.params
        making = job.out / ".making"
        try:
            if params.method != "federated-average":
                import_mergekit()
            folders = _folders(job)
            tell(job, "comparing the sources", 1, 4)
            whole = {BASE: folders[BASE]} if params.result == "adapter" else folders
            measure = check_sources(whole, same_tokens=params.tokenizer == "base")
            size: float = elements(measure) * DTYPE_BYTES[params.dtype]
            if params.method in STACKS:
                size = _check_layers(params, folders) * size
            elif params.alignment == "none":
                check_kin(whole)
            if params.method == "moe":
                size *= growth(measure, params.experts or 1)
            matched: dict[str, JsonValue] = {}
            if params.alignment == "permutation":
                folders, matched = align_all(job, folders)
            chosen = None if params.search == "none" else choose(job, partial(write, job, folders, int(size)))
            params = chosen.params if chosen else params
            tell(job, f"merging by {params.method}", 2, 4)
            notes = matched | write(job, folders, int(size), params, making)
            tell(job, "reading the result again", 3, 4)
            if broken := first_not_finite(making):
                message = f"The merged tensor {broken} is not finite."
                raise RunError.one("MERGE003", message, "Merge with a smaller scale, or write fp32.")
            notes |= reload(making, params.dtype)
            making.rename(job.out / "model")
            if params.result == "adapter":
                beside(making).rename(job.out / "adapter")
        finally:
            remove(making)
            remove(beside(making))
            remove(job.checkpoints / "folded")
            remove(job.checkpoints / "aligned")
        tell(job, "done", 4, 4)
        notes |= {"dtype": params.dtype}
        if chosen is None:
            return Outcome(notes=notes)
        reached = {f"chosen_{chosen.notes['metric']}": chosen.score}
        return Outcome(metrics=reached, notes=notes | chosen.notes, tokens=chosen.tokens)

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _folders(job: Job) -> dict[str, Path]:
    """The model folders to merge by name, each adapter added to the base first; the base is the last.

    Raises:
        InputError: an input is given twice, or an adapter does not fit the base.
    """
    params: MergeModelsParams = job.params
    sources = [f"source-{number}" for number in range(len(params.adapters))]
    given = {name: Path(job.inputs[name]) for name in sources}
    # Only a stack takes one model as often as it is named.
    if params.method not in STACKS and len({folder.resolve() for folder in given.values()}) < len(given):
        raise InputError.one("MERGE016", "A source is named twice.", "Name it once, with a greater weight.")
    remove(job.checkpoints / "folded")
    for name, adapter in zip(sources, params.adapters, strict=True):
        if adapter and params.result == "model":
            tell(job, f"adding the adapter {name} to the base", 0, 4)
            folded = job.checkpoints / "folded" / name
            # In fp32, so that a small change is not lost before the merge rounds once.
            fold(Path(job.inputs[BASE]), given[name], "fp32", folded)
            given[name] = folded
    return given | ({BASE: Path(job.inputs[BASE])} if BASE in job.inputs else {})


def _check_layers(params: MergeModelsParams, folders: Mapping[str, Path]) -> float:
    """How many times as large as its first source a stack is at most.

    Raises:
        InputError: a slice takes layers that its source does not have.
    """
    for each in params.slices or []:
        count = layers_of(folders[f"source-{each.source}"])
        if count is not None and each.layers[1] > count:
            message = f"A slice takes the layers {each.layers[0]} to {each.layers[1]} of source-{each.source}, "
            message += f"which has {count}."
            raise InputError.one("MERGE017", message, "Correct the slices.", pointer="/params/slices")
    return max(1.0, (params.layers or 0) / (layers_of(folders[FIRST]) or 1))
