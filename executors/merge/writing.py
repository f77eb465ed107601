"""Writing a merged model: the disk, the method that makes the weights, and all else that a model folder holds."""

from __future__ import annotations

import ctypes
import json
import shutil
from typing import TYPE_CHECKING

from executors.files import disk_full, disk_guard, free_bytes, remove, write_atomic
from executors.merge import experts, federated
from executors.merge.adapters import combine
from executors.merge.chained import teach_mergekit
from executors.merge.executor import fold
from executors.merge.magnitudes import magnitudes
from executors.merge.params import STACKS, VECTORS
from executors.merge.quiet import quiet
from executors.merge.recipe import recipe
from executors.progress import tell
from executors.train.artifact import TOKENIZER_FILES
from planner.documents import RunError, pretty_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from executors.contract import Job
    from executors.merge.magnitudes import Magnitudes
    from executors.merge.params import MergeModelsParams
    from planner.documents import JsonValue

# Bytes of weights that wait in memory before they are written; a file holds no more.
SHARD_BYTES = 200_000_000
# Settings that a merge may change.
CHANGED = ("dtype", "num_hidden_layers", "n_layer", "vocab_size", "layer_types")
BASE, FIRST = "base", "source-0"


def write(
    job: Job, folders: Mapping[str, Path], size: int, params: MergeModelsParams, out: Path
) -> dict[str, JsonValue]:
    """Write a whole model folder of about `size` bytes, once it is known that the disk holds it.

    Args:
        job: is told progress, and keeps what survives a kill.
        folders: `source-0`, `source-1`, ... and `base` where there is one.
        size: bytes of the result.
        params: the numbers; of a search, those of a candidate.
        out: where to write.

    Raises:
        RunError: the disk is too small.
    """
    model = out.with_name("model")
    if free_bytes(out) < size:
        raise RunError([disk_full(model, size)])
    with disk_guard(model, size):
        return _made(job, folders, params, out)


def _made(job: Job, folders: Mapping[str, Path], params: MergeModelsParams, out: Path) -> dict[str, JsonValue]:
    if params.result == "adapter":
        return _add(params, folders, out)
    sources = [folders[f"source-{number}"] for number in range(len(params.adapters))]
    donor = folders.get(BASE, folders[FIRST])
    if params.method == "moe":
        base = donor if len(sources) > 1 else sources[0]
        notes: dict[str, JsonValue] = {"mixture": experts.mix(base, sources, params, out)}
        notes["mergekit"] = experts.recipe(BASE, [f"source-{number}" for number in range(len(sources))], params)
        return notes | _dress(out, base, folders, own_tokens=True)
    if params.method == "federated-average":
        kept = job.checkpoints / "averaged"
        told = lambda done, parts: tell(job, "averaging the sources, one at a time", done, parts)  # noqa: E731
        resumed = federated.average(sources, params.weights or [], params.dtype, out, kept, told)
        _settle(out, donor)
        return {"parts_resumed": resumed} | _dress(out, donor, folders, own_tokens=True)
    found = _lengths(params, folders, [name for name in folders if name != BASE])
    _give_back()
    _merge(params, folders, out, found.factors if found else None)
    _settle(out, donor)
    notes = {"mergekit": recipe(params, {name: name for name in folders}, found.factors if found else None)}
    notes |= {"magnitudes": found.notes} if found else {}
    return notes | _dress(out, donor, folders, own_tokens=params.tokenizer == "base")


def _lengths(params: MergeModelsParams, folders: Mapping[str, Path], sources: Sequence[str]) -> Magnitudes | None:
    if params.rescale_above is None:
        return None
    compared = folders if params.method in VECTORS else {name: folders[name] for name in sources}
    return magnitudes(compared, sources, params.weights or [], params.rescale_above)


def beside(model: Path) -> Path:
    """Where the adapter waits that a model was made by."""
    return model.with_name(f"{model.name}-adapter")


def _add(params: MergeModelsParams, folders: Mapping[str, Path], out: Path) -> dict[str, JsonValue]:
    remove(beside(out))
    sources = [folders[f"source-{number}"] for number in range(len(params.adapters))]
    rank = combine(folders[BASE], sources, params, beside(out))
    fold(folders[BASE], beside(out), params.dtype, out)
    return {"adapter_rank": rank}


def _give_back() -> None:
    """Return what was freed to the system: of it glibc keeps some 70 MB, which the peak of a merge would stand on."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def _merge(params: MergeModelsParams, folders: Mapping[str, Path], out: Path, factors: Sequence[float] | None) -> None:
    with quiet():
        from mergekit.config import MergeConfiguration
        from mergekit.io.tasks import LoaderCache
        from mergekit.merge import run_merge
        from mergekit.options import MergeOptions

        if params.chain is not None:
            teach_mergekit()
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
        try:
            run_merge(MergeConfiguration.model_validate(recipe(params, at, factors)), str(out), options=options)
        finally:
            # It keeps the sources open for as long as the process lives, and would take a new file for the old one.
            LoaderCache().loaders.clear()


def _dress(out: Path, donor: Path, folders: Mapping[str, Path], *, own_tokens: bool) -> dict[str, JsonValue]:
    """Tokenizer, chat template and generation settings from the base; what it lacks from the first source that has it.

    Args:
        out: the merged folder.
        donor: the base, or the first source where a merge has none.
        folders: every model of the merge.
        own_tokens: false where mergekit wrote a vocabulary of its own.
    """
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
