"""The executor that makes one model of several, tensor by tensor, through mergekit."""

from __future__ import annotations

import errno
import json
import shutil
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from executors.contract import Job, Outcome, Params, Site
from executors.errors import classify
from executors.evaluate.needs import unmet
from executors.files import disk_full, disk_guard, free_bytes, remove, write_atomic
from executors.inputs import missing_inputs
from executors.merge.adapters import combine
from executors.merge.choosing import choose
from executors.merge.executor import fold
from executors.merge.kinship import check_kin
from executors.merge.recipe import NOT_DONE, STACKS, VECTORS, MergeModelsParams, recipe
from executors.merge.reloading import reload
from executors.merge.sources import check_sources, elements, first_not_finite, layers_of
from executors.models import DTYPE_BYTES
from executors.progress import tell
from executors.train.artifact import TOKENIZER_FILES
from planner.documents import Finding, InputError, Resources, RunError, Step, Where, pretty_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import JsonValue
    from planner.documents.events import ErrorClass

# Bytes of weights that wait in memory before they are written; a file holds no more.
SHARD_BYTES = 1_000_000_000
# Settings that a merge may change.
CHANGED = ("dtype", "num_hidden_layers", "n_layer", "vocab_size", "layer_types")
BASE, FIRST = "base", "source-0"


class MergeModels:
    """Models of one shape, or layers of them, as one model folder that serves at the cost of one."""

    name: ClassVar[str] = "merge-models"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = MergeModelsParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "peft", "mergekit", "safetensors", "psutil")
    outputs: ClassVar[Mapping[str, str]] = {"model": "model", "adapter": "adapter"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs, and what a plan may ask for that is not done here."""
        del site
        params = MergeModelsParams.model_validate(step.params)
        needed = [f"source-{number}" for number in range(len(params.adapters))]
        if params.method in VECTORS or any(params.adapters):
            needed.append(BASE)
        measured: list[Finding] = []
        if params.choosing is not None:
            needed += ["validation", "prompt"]
            asked = step.model_copy(
                update={"params": step.params["choosing"], "inputs": step.inputs | {"model": step.inputs.get(FIRST)}}
            )
            measured = [*unmet(asked)]
        return [*missing_inputs(step, needed, "MERGE001"), *measured, *_not_done(params)]

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
            folders = _folders(job)
            tell(job, "comparing the sources", 1, 4)
            whole = {BASE: folders[BASE]} if params.result == "adapter" else folders
            measure = check_sources(whole, same_tokens=params.tokenizer == "base")
            size: float = elements(measure) * DTYPE_BYTES[params.dtype]
            if params.method in STACKS:
                size = _check_layers(params, folders) * size
            else:
                check_kin(whole)
            chosen = None if params.search == "none" else choose(job, partial(_write, folders, int(size)))
            params = chosen.params if chosen else params
            tell(job, f"merging by {params.method}", 2, 4)
            notes = _write(folders, int(size), params, making)
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
        tell(job, "done", 4, 4)
        names: dict[str, JsonValue] = {name: name for name in folders}
        notes |= {"dtype": params.dtype} | ({} if params.result == "adapter" else {"mergekit": recipe(params, names)})
        if chosen is None:
            return Outcome(notes=notes)
        reached = {f"chosen_{chosen.notes['metric']}": chosen.score}
        return Outcome(metrics=reached, notes=notes | chosen.notes, tokens=chosen.tokens)

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _not_done(params: MergeModelsParams) -> list[Finding]:
    found = []
    if params.method in NOT_DONE:
        fix = "Set `merge.method` in the spec to linear, slerp, task-arithmetic, ties, dare-ties or della."
        found.append(_finding("MERGE020", f"Merging by {params.method} is not done here.", fix, "/params/method"))
    if params.alignment != "none":
        message = "Matching the units of models without a common base is not done here."
        found.append(_finding("MERGE020", message, "Merge finetunes of one base.", "/params/alignment"))
    return found


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


def _write(folders: Mapping[str, Path], size: int, params: MergeModelsParams, out: Path) -> dict[str, JsonValue]:
    """Write a whole model folder of about `size` bytes, once it is known that the disk holds it.

    Raises:
        RunError: the disk is too small.
    """
    if free_bytes(out) < size:
        raise RunError([disk_full(out.with_name("model"), size)])
    from safetensors import SafetensorError

    try:
        with disk_guard(out, size):
            if params.result == "adapter":
                return _add(params, folders, out)
            _merge(params, folders, out)
            return _dress(out, folders.get(BASE, folders[FIRST]), folders, own_tokens=params.tokenizer == "base")
    except SafetensorError as error:
        # It hides the number of the error in its words.
        if any(f"(os error {number})" in str(error) for number in (errno.ENOSPC, errno.EDQUOT)):
            raise RunError([disk_full(out.with_name("model"), size)]) from error
        raise


def beside(model: Path) -> Path:
    """Where the adapter waits that a model was made by."""
    return model.with_name(f"{model.name}-adapter")


def _add(params: MergeModelsParams, folders: Mapping[str, Path], out: Path) -> dict[str, JsonValue]:
    remove(beside(out))
    sources = [folders[f"source-{number}"] for number in range(len(params.adapters))]
    rank = combine(folders[BASE], sources, params, beside(out))
    fold(folders[BASE], beside(out), params.dtype, out)
    return {"adapter_rank": rank}


def _merge(params: MergeModelsParams, folders: Mapping[str, Path], out: Path) -> None:
    with warnings.catch_warnings():
        # mergekit uses names of numpy, torch and transformers that are on their way out.
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        from mergekit.config import MergeConfiguration
        from mergekit.merge import run_merge
        from mergekit.options import MergeOptions

        # A path is named in parts: mergekit gives `@` and `+` in one string a meaning.
        at: dict[str, JsonValue] = {name: {"model": {"path": str(folder)}} for name, folder in folders.items()}
        options = MergeOptions(
            random_seed=params.seed,
            out_shard_size=SHARD_BYTES,
            # Two copies of one layer may not share their memory in a file.
            clone_tensors=params.method in STACKS,
            copy_tokenizer=False,
            write_model_card=False,
            safe_serialization=True,
            trust_remote_code=False,
            lazy_unpickle=False,
            quiet=True,
        )
        run_merge(MergeConfiguration.model_validate(recipe(params, at)), str(out), options=options)


def _dress(out: Path, donor: Path, folders: Mapping[str, Path], *, own_tokens: bool) -> dict[str, JsonValue]:
    """Tokenizer, chat template and generation settings from the base; what it lacks from the first source that has it.

    Args:
        out: the merged folder.
        donor: the base, or the first source where a merge has none.
        folders: every model of the merge.
        own_tokens: false where mergekit wrote a vocabulary of its own.
    """
    _settle(out, donor)
    patterns = (*TOKENIZER_FILES, "special_tokens*", "spiece.model") if own_tokens else ("chat_template*",)
    _copy(donor, out, (*patterns, "generation_config.json"))
    notes: dict[str, JsonValue] = {}
    if not any(donor.glob("chat_template*")) and not _has_template(donor):
        talks = next((name for name, folder in folders.items() if any(folder.glob("chat_template*"))), None)
        if talks is not None:
            _copy(folders[talks], out, ("chat_template*", "generation_config.json"))
            notes["chat_template_from"] = talks
    return notes


def _settle(out: Path, donor: Path) -> None:
    """The donor's configuration with what the merge changed: mergekit takes that of any source, by chance."""
    path = out / "config.json"
    made, own = (json.loads(each.read_text(encoding="utf-8")) for each in (path, donor / "config.json"))
    changed = {name: made[name] for name in CHANGED if name in made}
    write_atomic(path, pretty_json(own | changed))


def _has_template(folder: Path) -> bool:
    path = folder / "tokenizer_config.json"
    return path.is_file() and '"chat_template"' in path.read_text(encoding="utf-8")


def _copy(source: Path, out: Path, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        for file in sorted(source.glob(pattern)):
            if file.is_file():
                shutil.copyfile(file, out / file.name)


def _finding(code: str, message: str, fix: str, pointer: str) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(pointer=pointer))
