"""Objectives and methods of training on the small model: what trains, memory, speed, loss, seconds, reloading.

    python -m bench.methods [ROW ...] [--into FILE] [--again]

One epoch of the rows that `bench/trainings.py` says, which knows the rows of the table too; each in a process of its
own, so that peaks are its own. Names given choose among them, by their beginnings. What was measured is kept in FILE,
a line each, and is not measured again unless asked for: a table that was killed goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.small_model import ROOT, small_model
from bench.trainings import AFTER, PAIRS, ROWS_OF, RUNS, WRITTEN, params_of, write_data

if TYPE_CHECKING:
    from executors.contract import Job

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

HEAD = ("row", "trains", "peak MB", "tokens/s", "before", "after", "wall s", "CPU s", "reload", "load")
SHOWN = "| {:26} | {:>11} | {:>7} | {:>8} | {:>7} | {:>7} | {:>6} | {:>5} | {:>7} | {:>4} |"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("rows", nargs="*")
    options.add_argument("--into", type=Path, default=ROOT / "build/methods.jsonl")
    options.add_argument("--again", action="store_true")
    options.add_argument("--one", action="store_true")
    options.add_argument("--left", type=Path)
    options.add_argument("--leave", type=Path)
    asked = options.parse_args()
    if asked.one:
        print(json.dumps(_one(asked.rows[0], asked.left, asked.leave)))
        return
    print(SHOWN.format(*HEAD))
    print("|---|" + "---:|" * (len(HEAD) - 1))
    for name in [name for name in RUNS if not asked.rows or any(name.startswith(each) for each in asked.rows)]:
        known = {} if asked.again else _known(asked.into)
        found = known.get((name, _digest(name))) or _measured(name, asked.into)
        print(_line(name, found) if "values" in found else f"{name:26} failed: {found['failed']}", flush=True)


def _line(name: str, found: dict[str, Any]) -> str:
    trains, peak, speed, before, after, wall, cpu, difference = found["values"]
    shown = [f"{int(trains):,}", f"{peak:.0f}", f"{speed:.1f}" if speed else "-", f"{before:.4f}", f"{after:.4f}"]
    return SHOWN.format(name, *shown, f"{wall:.0f}", f"{cpu:.0f}", f"{difference:.1e}", f"{found['load']:.1f}")


def _known(file: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What was measured before, by the row and its parameters."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    return {(row["row"], row["digest"]): row for row in rows}


def _digest(name: str) -> str:
    """Of all that a row is trained by, of the row that it goes on from, and of how many rows of data there are."""
    rows = [name, *([AFTER[name]] if name in AFTER else [])]
    said = json.dumps([*(params_of(row) for row in rows), ROWS_OF, PAIRS])
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _measured(name: str, file: Path) -> dict[str, Any]:
    """Measure a row in a process of its own, after one for the row that it goes on from; what fails is not kept."""
    with tempfile.TemporaryDirectory() as folder:
        more: list[str] = []
        if name in AFTER:
            before, failed = _run(AFTER[name], "--leave", folder)
            if failed:
                return {"failed": failed}
            _keep(AFTER[name], before, file)
            more = ["--left", folder]
        found, failed = _run(name, *more)
    return {"failed": failed} if failed else _keep(name, found, file)


def _keep(name: str, values: list[float], file: Path) -> dict[str, Any]:
    """Write what was measured of a row, with when and under which load."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    row = {"row": name, "digest": _digest(name), "time": now, "load": os.getloadavg()[0], "values": values}
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")
    return row


def _run(name: str, *more: str) -> tuple[list[float], str]:
    """The values of a row, or why there are none."""
    command = [sys.executable, "-m", "bench.methods", name, "--one", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return [], (done.stderr.strip() or "without a word").splitlines()[-1]
    values: list[float] = json.loads(done.stdout.splitlines()[-1])
    return values, ""


def _one(name: str, left: Path | None, leave: Path | None) -> list[float]:
    """What the columns say after the name, but for the load.

    Args:
        name: of the row.
        left: folder with what the row before left: `model` or `adapter`.
        leave: folder to leave what this row made in.
    """
    from executors.contract import Job
    from executors.prompt.document import make_prompt, write_prompt
    from executors.train import FitProbe, TrainParams

    probe = name == "labels, probe"
    params: Any = (FitProbe.params if probe else TrainParams).model_validate(params_of(name))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        out = leave or place / "out"
        for part in (out, place / "checkpoints", place / "cache"):
            part.mkdir(exist_ok=True)
        write_prompt(make_prompt("Extract the intent and the slots of the request as compact JSON."), place / "prompt")
        objective = "classification-head" if probe else params.objective
        write_data(objective, place)
        inputs: dict[str, Path | str] = {part: place / f"{part}.jsonl" for part in ("train", "validation")}
        inputs |= {"prompt": place / "prompt", "model": small_model()}
        if left and (left / "model").exists():
            inputs["model"] = left / "model"
        if objective == "distillation" and left:
            inputs |= {"teacher": inputs["model"], "teacher_adapter": left / "adapter"}
        if not probe and params.method == "bitfit":
            inputs["model"] = _with_biases(small_model(), place / "biased")
        job = Job("train/sft", params, inputs, out, place / "checkpoints", lambda _: None, place / "cache")
        if name.startswith("distillation of rows") and left:
            inputs["train"] = _written(job, left / "adapter", place)
        return _probed(job) if probe else _trained(job)


def _trained(job: Job) -> list[float]:
    """The columns of a training; its seconds are those of the training with its validation."""
    import torch

    from executors.models import torch_dtype
    from executors.train import work
    from executors.train.belonging import IN_PLACE
    from executors.usage import peak_memory_bytes

    params, seen = job.params, dict[str, Any]()
    load = work._load

    def keep(*arguments: Any) -> Any:
        loaded = load(*arguments)
        seen["model"], seen["before"] = loaded[0].model, loaded[0].evaluate()["eval_loss"]
        loaded[0].plan.watch.record.evaluations.clear()
        seen["wall"], seen["cpu"] = time.monotonic(), time.process_time()
        return loaded

    def logits(model: Any) -> Any:
        with torch.no_grad():
            return model.eval()(input_ids=torch.arange(100, 140)[None]).logits[..., -40:].float()

    setattr(work, "_load", keep)  # noqa: B010 - for this process alone
    outcome = work.train(job)
    seconds = [time.monotonic() - seen["wall"], time.process_time() - seen["cpu"]]
    peak = peak_memory_bytes() / 1e6
    # What trained in fp32 is written, or loaded again, in the base's dtype; buffers and low-rank sides stay.
    for part, weight in seen["model"].named_parameters():
        if params.method in IN_PLACE or "modules_to_save" in part:
            weight.data = weight.data.to(torch_dtype(params.base_dtype))
    difference = float((logits(_again(job)) - logits(seen["model"])).abs().max())
    values = outcome.metrics
    trains = int(str(outcome.notes["trainable"]))
    losses = [seen["before"], values["validation_loss"].value]
    return [trains, peak, values["tokens_per_s"].value, *losses, *seconds, difference]


def _probed(job: Job) -> list[float]:
    """The columns of a probe, which is fitted in one piece: before it, all labels are as likely."""
    import math

    import numpy as np

    from executors.data import read_rows
    from executors.evaluate.features import hidden_features
    from executors.heads import load_probe
    from executors.train import FitProbe
    from executors.usage import peak_memory_bytes

    wall, cpu = time.monotonic(), time.process_time()
    outcome = FitProbe().perform(job)
    seconds = [time.monotonic() - wall, time.process_time() - cpu]
    peak = peak_memory_bytes() / 1e6
    probe, rows = load_probe(job.out / "adapter"), read_rows(Path(job.inputs["validation"]))
    texts = sorted({row.prompt for row in rows})

    def scores() -> Any:
        found = hidden_features(Path(job.inputs["model"]), "bf16", texts, lambda _: None)[probe.layer]
        logits = np.stack([found[row.prompt] for row in rows]) @ probe.weight.numpy().T + probe.bias.numpy()
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

    told = scores()
    right = [told[at, probe.labels.index(row.completion or "")] for at, row in enumerate(rows)]
    trains = int(str(outcome.notes["trainable"]))
    difference = float(np.abs(told - scores()).max())
    return [trains, peak, 0.0, math.log(len(probe.labels)), -float(np.mean(right)), *seconds, difference]


def _written(job: Job, adapter: Path, place: Path) -> Path:
    """Rows that a trained teacher wrote: its answers to requests that had none."""
    from dataclasses import replace

    from executors.distill import Distill
    from executors.distill.executor import DistillParams

    inputs = {"prompt": job.inputs["prompt"], "model": job.inputs["model"], "adapter": adapter}
    inputs |= {"examples": place / "requests.jsonl"}
    out = place / "written"
    out.mkdir()
    Distill().perform(replace(job, params=DistillParams.model_validate(WRITTEN), inputs=inputs, out=out))
    return (out / "rows").rename(place / "written.jsonl")


def _with_biases(base: Path, folder: Path) -> Path:
    """The same model, told to have biases: the loader makes them, and they begin as zeros."""
    import torch
    from transformers import AutoModelForCausalLM

    from executors.models import load_tokenizer, save_model

    biased = {"attention_bias": True, "mlp_bias": True}
    model = AutoModelForCausalLM.from_pretrained(base, local_files_only=True, dtype=torch.bfloat16, **biased)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(".bias"):
                weight.zero_()
    save_model(model, load_tokenizer(base), folder)
    return folder


def _again(job: Job) -> Any:
    """What a training left, loaded as measurement loads it."""
    from executors.heads import load_labelling
    from executors.models import load_adapter, load_model
    from executors.train.belonging import output_of

    params: Any = job.params
    base = Path(job.inputs["model"])
    bits: Any = params.base_quantization or "none"
    made = job.out / output_of(params.method)
    adapter = made if made.name == "adapter" else None
    if params.objective == "classification-head":
        return load_labelling(base if adapter else made, adapter, params.base_dtype, bits, 0, device="cpu")
    model = load_model(base if adapter else made, params.base_dtype, device="cpu", quantization=bits)
    return load_adapter(model, adapter) if adapter else model


if __name__ == "__main__":
    main()
