"""One base with an adapter for each run, as vLLM and LoRAX load them: folders, launch command, and who does not fit."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from executors.export.cache import for_lorax, for_vllm
from executors.export.card import card
from executors.export.document import Part
from executors.export.folder import copy
from executors.export.told import CARD, Made, instructed, write_asked
from executors.rope import stretched
from planner.documents import Finding, InputError, fingerprint, pretty_json

if TYPE_CHECKING:
    from pathlib import Path

    from executors.export.finished import Adapter, Finished

# Ranks that vLLM can be started with [vllm-lora-config].
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
# Adapters that vLLM holds on the device at once.
RESIDENT = 8
LORAX_IMAGE = "ghcr.io/predibase/lorax:main"
USUAL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head")
# Modules whose factors LoRAX loads, by family; it passes over the others with no more than a line in its log
# [lorax-docs].
LORAX_MODULES = {
    **dict.fromkeys(("llama", "mistral", "qwen2", "cohere"), USUAL),
    **dict.fromkeys(("gemma", "gemma2"), USUAL[:-1]),
    "mixtral": ("q_proj", "k_proj", "v_proj", "o_proj", "lm_head"),
    "phi": ("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2", "lm_head"),
    "phi3": ("qkv_proj", "o_proj", "gate_up_proj", "down_proj", "lm_head"),
    "gpt2": ("c_attn", "c_proj", "c_fc"),
    "bloom": ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h", "lm_head"),
}
MERGE = "Merge it: --to merged."


def vllm(found: list[Finished], draft: Path, base: str | None) -> Made:
    """The folders, `serve.sh` and its command.

    Raises:
        InputError: vLLM could not load an adapter.
    """
    adapters = _adapters(found, "vLLM")
    rank = max(int(adapter.config["r"]) for adapter in adapters.values())
    if rank > RANKS[-1]:
        message = f"An adapter has rank {rank}; vLLM takes {RANKS[-1]} at most."
        raise InputError.one("EXPORT025", message, MERGE)
    _copy_adapters(found, adapters, draft, base, base or found[0].base_id)
    slots = next(size for size in RANKS if size >= rank)
    words = ["vllm", "serve", base or "base", "--served-model-name", found[0].base_id, "--enable-lora"]
    words += ["--max-lora-rank", str(slots), "--max-loras", str(min(len(adapters), RESIDENT))]
    cache, unsaid = for_vllm(found)
    words += ["--max-cpu-loras", str(max(len(adapters), RESIDENT)), *cache, "--lora-modules"]
    words += [f"{name}=adapters/{name}" for name in adapters]
    command = shlex.join(words)
    (draft / "serve.sh").write_text(f'#!/bin/sh\ncd "$(dirname "$0")" && exec {command}\n', encoding="utf-8")
    (draft / "serve.sh").chmod(0o755)
    what = f"{len(adapters)} adapters on {found[0].base_id} in vLLM"
    told = (f for one in found for f in instructed(one))
    return Made((Part(folder=".", what=what, command=command),), (*told, *unsaid))


def lorax(found: list[Finished], draft: Path, base: str | None) -> Made:
    """The folders, the container's command, and a request for each adapter.

    Raises:
        InputError: LoRAX could not load an adapter, or would pass over a part of one.
    """
    adapters = _adapters(found, "LoRAX")
    model = base or "/data/base"
    _copy_adapters(found, adapters, draft, base, model)
    words = ["--model-id", model]
    asked, answered = max(map(_row_tokens, found)), max(map(_answer_tokens, found))
    if asked:
        # Its own limits are 1024 tokens of a request and 2048 with the answer; longer requests are refused.
        words += ["--max-input-length", str(asked), "--max-total-tokens", str(asked + answered)]
    command = f'docker run --gpus all --shm-size 1g -p 8080:80 -v "$PWD":/data {LORAX_IMAGE} {shlex.join(words)}'
    for one, name in zip(found, adapters, strict=True):
        parameters = {"adapter_id": f"/data/adapters/{name}", "adapter_source": "local", "do_sample": False}
        request = {
            "inputs": "the request, rendered with the chat template",
            "parameters": parameters | {"max_new_tokens": _answer_tokens(one)},
        }
        (draft / f"request-{name}.json").write_text(pretty_json(request), encoding="utf-8")
    what = f"{len(adapters)} adapters on {found[0].base_id} in LoRAX"
    told = (f for one in found for f in instructed(one))
    return Made((Part(folder=".", what=what, command=command),), (*told, *for_lorax(found)))


def _row_tokens(one: Finished) -> int:
    """Tokens of the longest row that was trained on; 0 where no training says so."""
    return max((int(str(step.params.get("max_length") or 0)) for step in one.sources.plan.steps), default=0)


def _answer_tokens(one: Finished) -> int:
    """Tokens of an answer, as the run was measured."""
    lengths = [step.params.get("max_new_tokens") for step in one.sources.plan.steps if step.rung]
    return max((int(str(length)) for length in lengths if length), default=256)


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
        problems += [_problem(f"The adapter of {one.name} {wrong}.", MERGE) for wrong in _unfit(one.adapter, server)]
        name = one.name if one.name not in adapters else f"{one.name}-{len(adapters) + 1}"
        adapters[name] = one.adapter
    if len({fingerprint(adapter.base)[0] for adapter in adapters.values()}) > 1:
        names = ", ".join(adapters)
        problems.append(_problem(f"The adapters {names} are on different bases, told by content.", "Serve them apart."))
    if problems:
        raise InputError(problems)
    return adapters


def _unfit(adapter: Adapter, server: str) -> list[str]:
    """Why a server does not load an adapter; it swaps low-rank factors and nothing else [vllm-docs, lorax-docs]."""
    config = adapter.config
    found = []
    if config.get("peft_type") != "LORA":
        found.append(f"is {str(config.get('peft_type')).lower()}; {server} loads LoRA alone")
    if config.get("use_dora"):
        found.append(f"is DoRA, whose magnitudes {server} does not load")
    if config.get("modules_to_save"):
        found.append(f"brings whole modules ({', '.join(config['modules_to_save'])})")
    if config.get("trainable_token_indices"):
        found.append("brings embeddings of new tokens")
    if config.get("bias", "none") != "none" or config.get("lora_bias"):
        found.append("brings biases")
    if config.get("rank_pattern") or config.get("alpha_pattern"):
        found.append("has ranks that differ by layer")
    if stretched(adapter.folder):
        found.append("was trained on stretched positions, which the base that all share has not")
    if server == "LoRAX" and config.get("peft_type") == "LORA":
        found += _passed_over(adapter)
    return found


def _passed_over(adapter: Adapter) -> list[str]:
    """Modules that LoRAX would serve without their factors."""
    family = json.loads((adapter.base / "config.json").read_text(encoding="utf-8")).get("model_type")
    known, targets = LORAX_MODULES.get(family), adapter.config.get("target_modules")
    if known is None:
        return [f"stands on a model of the family {family}, which LoRAX does not list"]
    # `all-linear` is written by peft as the names that it came to.
    lost = sorted({name.rpartition(".")[2] for name in targets} - set(known)) if isinstance(targets, list) else []
    return [f"has factors of {', '.join(lost)}, which LoRAX passes over for {family}"] if lost else []


def _copy_adapters(
    found: list[Finished], adapters: dict[str, Adapter], draft: Path, base: str | None, named: str
) -> None:
    """The adapters, which name their base as the server does, and the base where it is not the server's own."""
    for one, (name, adapter) in zip(found, adapters.items(), strict=True):
        folder = draft / "adapters" / name
        copy(adapter.folder, folder)
        config = adapter.config | {"base_model_name_or_path": named}
        (folder / "adapter_config.json").write_text(pretty_json(config), encoding="utf-8")
        (folder / CARD).write_text(card(one, kind="adapter"), encoding="utf-8")
        write_asked(one, folder)
    if base is None:
        copy(next(iter(adapters.values())).base, draft / "base")


def _problem(message: str, fix: str) -> Finding:
    return Finding(code="EXPORT025", severity="error", message=message, fix=fix)
