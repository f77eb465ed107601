"""The result of a run as a folder that a server reads, or a person: models, adapters, a Modelfile, a card."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from executors.export.adapter_servers import lorax, vllm
from executors.export.cache import for_ollama, for_vllm
from executors.export.card import card
from executors.export.document import Export, Part
from executors.export.finished import Finished, finished, is_plain, whole_model
from executors.export.folder import MANIFEST, copy, size_of, whole_folder
from executors.export.told import CARD, Made, instructed, searched, write_asked
from executors.files import remove
from executors.models import gguf_file
from planner.documents import InputError, pretty_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from executors.sources import Sources


def export_result(
    runs: Sequence[Sources], target: str, out: Path, *, base: str | None = None, replaces: bool = False
) -> Export:
    """Write the results of runs for a server.

    Args:
        runs: plans that were run, with their files; several where adapters share a base.
        target: one of `RESULTS`.
        out: the folder to make.
        base: what the server shall load instead of a copy of the base.
        replaces: whether an earlier export may be replaced.

    Raises:
        InputError: a plan was not run, left nothing of the kind, or the server cannot load it.
        RunError: the disk is full.
    """
    found = [finished(run) for run in runs]
    if len(found) > 1 and target not in ("lorax", "vllm"):
        names = ", ".join(one.name for one in found)
        raise InputError.one("EXPORT023", f"--to {target} takes one run: {names}.", "Export them one by one.")
    with whole_folder(out, replace=replaces, needed_bytes=_bytes(found, target, base)) as draft:
        made = RESULTS[target](found, draft, base)
        files = sorted(path.relative_to(draft).as_posix() for path in draft.rglob("*") if path.is_file())
        report = found[0].sources.report
        export = Export(
            target=target,
            plan=found[0].name,
            digest=found[0].sources.plan.digest,
            run=report.run if report else None,
            parts=made.parts,
            files=tuple(sorted([*files, MANIFEST])),
            unsaid=made.unsaid,
        )
        (draft / MANIFEST).write_text(pretty_json(export.to_json()), encoding="utf-8")
    return export


def _bytes(found: list[Finished], target: str, base: str | None) -> int:
    """About what is going to be written."""
    if target == "card":
        return 0
    if target in ("lorax", "vllm"):
        adapters = [one.adapter for one in found if one.adapter]
        return sum(size_of(one.folder) for one in adapters) + (
            size_of(adapters[0].base) if adapters and not base else 0
        )
    one = found[0]
    return size_of(one.model) if one.model else size_of(one.adapter.base) if one.adapter else 0


def _card(found: list[Finished], draft: Path, base: str | None) -> Made:
    del base
    [one] = found
    kind = "adapter" if one.adapter is not None and one.model is None else "model"
    (draft / CARD).write_text(card(one, kind=kind), encoding="utf-8")
    return Made((Part(folder=".", what="The model card", command=""),), ())


def _merged(found: list[Finished], draft: Path, base: str | None) -> Made:
    """A whole model; an adapter that the plan leaves apart is folded into its base here."""
    del base
    [one] = found
    _whole(one, draft)
    (draft / CARD).write_text(card(one, kind="model"), encoding="utf-8")
    write_asked(one, draft)
    cache, unsaid = for_vllm(found)
    command = shlex.join(["vllm", "serve", ".", *cache])
    part = Part(folder=".", what="The model, in transformers or vLLM", command=command)
    return Made((part,), (*instructed(one), *unsaid))


def _whole(one: Finished, draft: Path) -> None:
    if one.model is not None or one.adapter is None:
        copy(whole_model(one), draft)
        return
    from executors.merge.executor import fold

    fold(one.adapter.base, one.adapter.folder, one.adapter.step.params.get("base_dtype") or "bf16", draft)  # type: ignore[arg-type]


def _ollama(found: list[Finished], draft: Path, base: str | None) -> Made:
    """GGUF: the run's own, or written here from 16 bits."""
    del base
    from executors.export.ollama import modelfile, read_template, stop_texts
    from executors.models import load_tokenizer

    [one] = found
    made = one.model and gguf_file(one.model)
    if made:
        copy(made, draft / made.name)
        weights, folder = made.name, one.adapter.base if one.adapter else made.parent
    else:
        from executors.quantize.gguf_file import write_gguf

        if one.model is not None and not is_plain(one.model):
            message = f"The model of {one.name} is quantized in a form that GGUF does not take over."
            raise InputError.one(
                "EXPORT024", message, "Plan with the decision `quantization` set to `gguf`, or `none`."
            )
        folder = one.model or draft / ".whole"
        if one.model is None:
            folder.mkdir()
            _whole(one, folder)
        weights = "model-f16.gguf"
        write_gguf(folder, draft / weights, "f16")
    tokenizer = load_tokenizer(folder)
    window = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("max_position_embeddings")
    text, unsaid = modelfile(weights, read_template(tokenizer), one.prompt, stop_texts(tokenizer, folder), window)
    if folder.parent == draft:
        remove(folder)
    (draft / "Modelfile").write_text(text, encoding="utf-8")
    (draft / CARD).write_text(card(one, kind="model"), encoding="utf-8")
    cache, more = for_ollama(found)
    # The server reads it when it is started, before any model is.
    start = f"{cache} ollama serve & " if cache else ""
    commands = f"{start}ollama create {one.name} -f Modelfile && ollama run {one.name}"
    return Made((Part(folder=".", what="The model in Ollama", command=commands),), (*unsaid, *more, *searched(one)))


RESULTS: dict[str, Callable[[list[Finished], Path, str | None], Made]] = {
    "card": _card,
    "lorax": lorax,
    "merged": _merged,
    "ollama": _ollama,
    "vllm": vllm,
}
