"""The result of a run as a folder that a server reads, or a person: models, adapters, a Modelfile, a card."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, NamedTuple

from executors.export.cache import for_lorax, for_ollama, for_vllm
from executors.export.card import card
from executors.export.document import Export, Part
from executors.export.finished import Adapter, Finished, finished, is_plain, whole_model
from executors.export.folder import MANIFEST, copy, size_of, whole_folder
from executors.files import remove
from executors.models import gguf_file
from planner.documents import Finding, InputError, fingerprint, pretty_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from executors.sources import Sources

# Ranks that vLLM can be started with [vllm-lora-config].
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
CARD = "README.md"


class Made(NamedTuple):
    """What an export of results comes to."""

    parts: tuple[Part, ...]
    unsaid: tuple[Finding, ...]


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
    _prompt(one, draft)
    cache, unsaid = for_vllm(found)
    command = shlex.join(["vllm", "serve", ".", *cache])
    part = Part(folder=".", what="The model, in transformers or vLLM", command=command)
    return Made((part,), (*_instructed(one), *unsaid))


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
    return Made((Part(folder=".", what="The model in Ollama", command=commands),), (*unsaid, *more, *_searched(one)))


def _vllm(found: list[Finished], draft: Path, base: str | None) -> Made:
    adapters = _adapters(found, "vLLM")
    rank = max(int(adapter.config["r"]) for adapter in adapters.values())
    if rank > RANKS[-1]:
        message = f"An adapter has rank {rank}; vLLM takes {RANKS[-1]} at most."
        raise InputError.one("EXPORT025", message, "Merge it: --to merged.")
    _copy_adapters(found, adapters, draft, base)
    slots = next(size for size in RANKS if size >= rank)
    words = ["vllm", "serve", base or "base", "--served-model-name", found[0].base_id, "--enable-lora"]
    words += ["--max-lora-rank", str(slots), "--max-loras", str(min(len(adapters), 8))]
    cache, unsaid = for_vllm(found)
    words += ["--max-cpu-loras", str(max(len(adapters), 8)), *cache, "--lora-modules"]
    words += [f"{name}=adapters/{name}" for name in adapters]
    command = shlex.join(words)
    (draft / "serve.sh").write_text(f'#!/bin/sh\ncd "$(dirname "$0")" && exec {command}\n', encoding="utf-8")
    (draft / "serve.sh").chmod(0o755)
    what = f"{len(adapters)} adapters on {found[0].base_id} in vLLM"
    told = (f for one in found for f in _instructed(one))
    return Made((Part(folder=".", what=what, command=command),), (*told, *unsaid))


def _lorax(found: list[Finished], draft: Path, base: str | None) -> Made:
    adapters = _adapters(found, "LoRAX")
    _copy_adapters(found, adapters, draft, base)
    model = base or "/data/base"
    image = "ghcr.io/predibase/lorax:main"
    command = f'docker run --gpus all --shm-size 1g -p 8080:80 -v "$PWD":/data {image} --model-id {shlex.quote(model)}'
    for name in adapters:
        request = {"adapter_id": f"/data/adapters/{name}", "adapter_source": "local", "max_new_tokens": 256}
        asked = {"inputs": "the request, rendered with the chat template", "parameters": request}
        (draft / f"request-{name}.json").write_text(pretty_json(asked), encoding="utf-8")
    what = f"{len(adapters)} adapters on {found[0].base_id} in LoRAX"
    told = (f for one in found for f in _instructed(one))
    return Made((Part(folder=".", what=what, command=command),), (*told, *for_lorax(found)))


def _adapters(found: list[Finished], server: str) -> dict[str, Adapter]:
    """The adapters by name, once it is known that the server can hold them on one base.

    Raises:
        InputError: with a finding for each that it cannot.
    """
    problems: list[Finding] = []
    adapters: dict[str, Adapter] = {}
    for one in found:
        if one.adapter is None:
            problems.append(_problem(f"The run of {one.name} left no adapter.", "Serve its model: --to merged."))
            continue
        problems += [_problem(f"The adapter of {one.name} {wrong}.", fix) for wrong, fix in _unfit(one.adapter, server)]
        name = one.name if one.name not in adapters else f"{one.name}-{len(adapters) + 1}"
        adapters[name] = one.adapter
    if len({fingerprint(adapter.base)[0] for adapter in adapters.values()}) > 1:
        names = ", ".join(adapters)
        problems.append(_problem(f"The adapters {names} are on different bases, told by content.", "Serve them apart."))
    if problems:
        raise InputError(problems)
    return adapters


def _unfit(adapter: Adapter, server: str) -> list[tuple[str, str]]:
    """Why a server does not load an adapter; it swaps low-rank factors and nothing else [vllm-docs, lorax-docs]."""
    config, merge = adapter.config, "Merge it: --to merged."
    found = []
    if config.get("peft_type") != "LORA":
        found.append((f"is {str(config.get('peft_type')).lower()}; {server} loads LoRA alone", merge))
    if config.get("use_dora"):
        found.append((f"is DoRA, whose magnitudes {server} does not load", merge))
    if config.get("modules_to_save"):
        found.append((f"brings whole modules ({', '.join(config['modules_to_save'])})", merge))
    if config.get("trainable_token_indices"):
        found.append(("brings embeddings of new tokens", merge))
    if config.get("bias", "none") != "none" or config.get("lora_bias"):
        found.append(("brings biases", merge))
    if config.get("rank_pattern") or config.get("alpha_pattern"):
        found.append(("has ranks that differ by layer", merge))
    return found


def _copy_adapters(found: list[Finished], adapters: dict[str, Adapter], draft: Path, base: str | None) -> None:
    for one, (name, adapter) in zip(found, adapters.items(), strict=True):
        folder = draft / "adapters" / name
        copy(adapter.folder, folder)
        config = adapter.config | {"base_model_name_or_path": base or one.base_id}
        (folder / "adapter_config.json").write_text(pretty_json(config), encoding="utf-8")
        (folder / CARD).write_text(card(one, kind="adapter"), encoding="utf-8")
        _prompt(one, folder)
    if base is None:
        copy(next(iter(adapters.values())).base, draft / "base")


def _prompt(one: Finished, folder: Path) -> None:
    """The prompt that the result was measured with, for who writes the requests."""
    if one.prompt is not None:
        (folder / "prompt.json").write_text(pretty_json(one.prompt.to_json()), encoding="utf-8")


def _instructed(one: Finished) -> tuple[Finding, ...]:
    """That a server puts nothing before a request: who asks must."""
    if one.prompt is None or not (one.prompt.system or one.prompt.examples):
        return _searched(one)
    message = f"{one.name} was measured with the system text in prompt.json, which the server does not add."
    finding = Finding(code="EXPORT022", severity="note", message=message, fix="Send it as the first message.")
    return (finding, *_searched(one))


def _searched(one: Finished) -> tuple[Finding, ...]:
    """That passages of an index are not served."""
    index = any("index" in step.inputs for step in one.sources.plan.steps if step.executor == "evaluate" and step.rung)
    if not index:
        return ()
    message = f"A rung of {one.name} reads passages of an index, which this server does not look up."
    return (Finding(code="EXPORT022", severity="warning", message=message, fix="`adapt serve` does."),)


def _problem(message: str, fix: str) -> Finding:
    return Finding(code="EXPORT025", severity="error", message=message, fix=fix)


RESULTS: dict[str, Callable[[list[Finished], Path, str | None], Made]] = {
    "card": _card,
    "lorax": _lorax,
    "merged": _merged,
    "ollama": _ollama,
    "vllm": _vllm,
}
