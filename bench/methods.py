"""Objectives and methods of training on the small model: what trains, memory, speed, loss, seconds, reloading.

    python -m bench.methods [ROW ...]

One epoch of the rows that `bench/trainings.py` says, which knows the rows of the table too; each in a process of its
own, so that peaks are its own. Names given choose among them, by their beginnings.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.small_model import small_model
from bench.trainings import RUNS, params_of, write_data

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(_one(sys.argv[2])))
        return
    print(f"Load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.")
    head = ("row", "trains", "peak MB", "tokens/s", "before", "after", "wall s", "CPU s", "reload")
    print("{:23} {:>12} {:>8} {:>9} {:>7} {:>7} {:>7} {:>6} {:>8}".format(*head))
    asked = sys.argv[1:]
    for name in [name for name in RUNS if not asked or any(name.startswith(each) for each in asked)]:
        command = [sys.executable, "-m", "bench.methods", "--one", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name:23} failed: {(done.stderr.strip() or 'without a word').splitlines()[-1]}", flush=True)
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        print("{:23} {:12,} {:8.0f} {:9.1f} {:7.4f} {:7.4f} {:7.0f} {:6.0f} {:8.1e}".format(name, *found), flush=True)


def _one(name: str) -> list[float]:
    """What the columns say after the name; the seconds are those of the training with its validation."""
    import torch

    from executors.contract import Job
    from executors.models import torch_dtype
    from executors.prompt.document import make_prompt, write_prompt
    from executors.train import TrainParams, work
    from executors.train.params import IN_PLACE
    from executors.usage import peak_memory_bytes

    params = TrainParams.model_validate(params_of(name))
    seen: dict[str, Any] = {}
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
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for part in ("out", "checkpoints"):
            (place / part).mkdir()
        write_prompt(make_prompt("Extract the intent and the slots of the request as compact JSON."), place / "prompt")
        write_data(params.objective, place / "train.jsonl", place / "validation.jsonl")
        inputs = {name: place / f"{name}.jsonl" for name in ("train", "validation")}
        inputs |= {"prompt": place / "prompt", "model": small_model()}
        inputs |= {"teacher": inputs["model"]} if params.objective == "distillation" else {}
        job = Job("train/sft", params, inputs, place / "out", place / "checkpoints", lambda _: None, place / "cache")
        outcome = work.train(job)
        seconds = [time.monotonic() - seen["wall"], time.process_time() - seen["cpu"]]
        peak = peak_memory_bytes() / 1e6
        # What trained in fp32 is written, or loaded again, in the base's dtype; buffers and low-rank sides stay.
        for part, weight in seen["model"].named_parameters():
            if params.method in IN_PLACE or "modules_to_save" in part:
                weight.data = weight.data.to(torch_dtype(params.base_dtype))
        difference = float((logits(_again(params, inputs["model"], place / "out")) - logits(seen["model"])).abs().max())
    values = outcome.metrics
    trains = int(str(outcome.notes["trainable"]))
    losses = [seen["before"], values["validation_loss"].value]
    return [trains, peak, values["tokens_per_s"].value, *losses, *seconds, difference]


def _again(params: Any, base: Path, out: Path) -> Any:
    """What a training left, loaded as measurement loads it."""
    from executors.heads import load_labelling
    from executors.models import load_adapter, load_model
    from executors.train.params import output_of

    made, bits = out / output_of(params.method), params.base_quantization or "none"
    adapter = made if made.name == "adapter" else None
    if params.objective == "classification-head":
        return load_labelling(base if adapter else made, adapter, params.base_dtype, bits, 0, device="cpu")
    model = load_model(base if adapter else made, params.base_dtype, device="cpu", quantization=bits)
    return load_adapter(model, adapter) if adapter else model


if __name__ == "__main__":
    main()
