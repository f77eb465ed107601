"""Runs that have ended, made without running: a tiny base, an adapter, a merged model, and the records of both."""

from __future__ import annotations

import shutil
import time
import warnings
from typing import TYPE_CHECKING, Any

import adapt
from executors.attempt import write_document
from executors.journal import Journal
from executors.prompt.document import Example, make_prompt, write_prompt
from executors.report import StepReport
from executors.sources import sources_of
from executors.state import STATE_FOLDER, State
from executors.store import Store
from planner.documents import Cost, Event, Input, Measurement, Pin, Step, fingerprint, pretty_json
from tests.executors.export.cases import COMMON, METHODS, prompt_step
from tests.executors.plans import make_plan
from tests.executors.tiny import make_tiny_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from executors.sources import Sources
    from planner.documents import Plan

EVALUATE: dict[str, Any] = {
    "metrics": ["exact_match"],
    "schema": None,
    "labels": None,
    "format": "text",
    "max_new_tokens": 8,
    "batch_size": 2,
    "dtype": "fp32",
    "quantization": "none",
    "decoding": "free",
    "endpoint": None,
    "judge": None,
    "passages": None,
    "samples": 1,
    "temperature": 0.7,
    "limit": None,
    "seed": 0,
}


def make_lora(base: Path, folder: Path, *, seed: int = 1, **more: Any) -> Path:
    """A LoRA with random weights of some size, so that it changes every answer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    torch.manual_seed(seed)
    fields = {"task_type": "CAUSAL_LM", "r": 4, "target_modules": "all-linear", "init_lora_weights": False}
    with warnings.catch_warnings():
        # peft asks transformers by a name that is on its way out.
        warnings.simplefilter("ignore")
        get_peft_model(model, LoraConfig(**fields | more)).save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").write_text("# Adapter\n\n## Recipe\n\n| parameter | value |\n|---|---|\n| rank | 4 |\n")
    return folder


def finished_run(
    folder: Path, name: str = "tenant", *, seed: int = 1, merged: bool = True, base: Path | None = None, **lora: Any
) -> Path:
    """The file of a plan that was run: a prompt, a training, a merge, and the rungs that measured them.

    Args:
        folder: to be made.
        name: of the plan.
        seed: of the adapter's weights.
        merged: whether the plan merges.
        base: a model folder to copy; a tiny one is made otherwise.
        lora: what differs in peft's configuration.
    """
    folder.mkdir()
    if base is None:
        make_tiny_model(folder / "base")
    else:
        shutil.copytree(base, folder / "base")
    (folder / "train.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    state = State((folder / STATE_FOLDER).absolute())
    plan = _plan(folder, name, merged=merged)
    adapter = make_lora(folder / "base", folder / "made", seed=seed, **lora)
    left: dict[str, tuple[str, Path] | dict[str, Path]] = {"train/one": ("adapter", adapter)}
    if merged:
        shutil.copytree(folder / "base", folder / "whole")
        left["merge/one"] = ("model", folder / "whole")
    prompt = folder / "prompt"
    write_prompt(make_prompt("Answer briefly.", (Example(id="1", prompt="ping", completion="pong"),)), prompt)
    left["prompt/short"] = ("prompt", prompt)
    _record(plan, state, left)
    path = folder / "plan.json"
    path.write_text(pretty_json(plan.to_json()))
    return path


def summed_run(folder: Path, parts: tuple[Path, Path], base: Path) -> Path:
    """The file of a plan that was run: two adapters of one base became one, beside the model that it makes."""
    folder.mkdir()
    state = State((folder / STATE_FOLDER).absolute())
    shutil.copytree(base, folder / "base")
    pins = {"model/merge-base": Pin(kind="model", path="base", id="tiny/base", license="apache-2.0", bytes=1000)}
    for number, part in enumerate(parts):
        shutil.copytree(part, folder / f"part-{number}")
        pins[f"model/source-{number}"] = Pin(kind="model", path=f"part-{number}", id=part.name, license="mit")
    rows = folder / "test.jsonl"
    rows.write_text('{"prompt": "a", "completion": "b"}\n')
    pins["data/test"] = Pin(kind="dataset", path=rows.name, digest=fingerprint(rows)[0])
    prompt, model = Input(step="prompt/short", output="prompt"), Input(step="merge/models", output="model")
    adapters = {f"source-{number}": Input(pin=f"model/source-{number}") for number in range(len(parts))}
    plan = make_plan(
        prompt_step(),
        _step(
            "merge/models", "merge-models", adapters | {"base": Input(pin="model/merge-base")},
            {"method": "concatenation", "weights": [1.0, 1.0]}, ("model", "adapter"),
        ),
        _step(
            "evaluate/merged", "evaluate", {"model": model, "prompt": prompt, "data": Input(pin="data/test")},
            EVALUATE, ("predictions",), rung="merge",
        ),
        pins=pins, name="both", outputs={"model": "merge/models:model", "adapter": "merge/models:adapter"},
    )  # fmt: skip
    write_prompt(make_prompt("Answer briefly."), folder / "prompt")
    made = {"model": shutil.copytree(base, folder / "whole"), "adapter": shutil.copytree(parts[0], folder / "sum")}
    _record(plan, state, {"prompt/short": ("prompt", folder / "prompt"), "merge/models": made})
    path = folder / "plan.json"
    path.write_text(pretty_json(plan.to_json()))
    return path


def run_of(plan: Path) -> Sources:
    """A plan's file with its run, as `adapt export` finds it."""
    return sources_of(adapt.load(plan), plan.parent)


def _plan(folder: Path, name: str, *, merged: bool) -> Plan:
    base, rows = folder / "base", folder / "train.jsonl"
    pins = {
        "model/base": Pin(
            kind="model", path="base", id="tiny/base", license="apache-2.0", digest=fingerprint(base)[0], bytes=1000
        ),
        "data/train": Pin(kind="dataset", path="train.jsonl", license="cc0-1.0", digest=fingerprint(rows)[0]),
    }
    model, prompt = Input(pin="model/base"), Input(step="prompt/short", output="prompt")
    adapter = Input(step="train/one", output="adapter")
    read = {"model": model, "prompt": prompt, "data": Input(pin="data/train")}
    steps = [
        prompt_step(),
        _step("evaluate/zero-shot", "evaluate", read, EVALUATE, ("predictions",), rung="zero-shot"),
        _step(
            "train/one", "train", {"model": model, "prompt": prompt, "train": Input(pin="data/train")},
            {**COMMON, **METHODS["lora"], "rank": 4, "base_dtype": "fp32"}, ("adapter",),
        ),
        _step("evaluate/sft", "evaluate", {**read, "adapter": adapter}, EVALUATE, ("predictions",), rung="finetune"),
    ]  # fmt: skip
    outputs = {"adapter": "train/one:adapter"}
    if merged:
        steps.append(_step("merge/one", "merge", {"model": model, "adapter": adapter}, {"dtype": "fp32"}, ("model",)))
        outputs = {"model": "merge/one:model", **outputs}
    return make_plan(*steps, pins=pins, name=name, outputs=outputs)


def _step(address: str, executor: str, inputs: Any, params: Any, outputs: tuple[str, ...], **more: Any) -> Step:
    fields = {"title": address, "executor": executor, "version": "1", "inputs": inputs, "params": params}
    return Step(address=address, outputs=outputs, **fields, **more)


def _record(plan: Plan, state: State, left: Mapping[str, tuple[str, Path] | dict[str, Path]]) -> None:
    """The run's folder as the runner leaves it: the plan, and what happened; `left` is what each step made, by name."""
    run, store = state.run(plan.digest), Store(state.store)
    run.folder.mkdir(parents=True)
    write_document(run.plan, plan)
    events = [Event(time=time.time(), kind="run-started")]
    for step in plan.steps:
        artifacts = {}
        made = left.get(step.address, {})
        for output, source in (made if isinstance(made, dict) else dict([made])).items():
            artifacts[output] = store.put(source, output)
        score = 0.2 if step.address == "evaluate/zero-shot" else 0.8
        report = StepReport(
            address=step.address,
            title=step.title,
            executor=step.executor,
            rung=step.rung,
            status="done",
            metrics={"exact_match": Measurement(value=score, low=score - 0.1, high=score + 0.1)} if step.rung else {},
            artifacts=artifacts,
            params=dict(step.params),
            seconds=2.0,
            cost=Cost(wall_s=2.0, cpu_s=1.0, peak_memory_bytes=10**8),
        )
        events.append(Event(time=time.time(), kind="step-done", step=step.address, data={"report": report.to_json()}))
    events.append(Event(time=time.time(), kind="run-done", message="All steps are done.", data={"status": "done"}))
    with Journal(run.journal) as journal:
        for event in events:
            journal.append(event)
