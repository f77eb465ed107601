"""Every method of training on the small model: what trains, peak memory, speed, loss and whether the result reloads.

    python -m bench.methods [METHOD ...]

64 rows of the quickstart, 16 to validate, one epoch; each method in a process of its own, so that peaks are its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.small_model import ROWS, small_model

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

TRAIN, VALIDATE = 64, 16
LORA = {"rank": 16, "alpha": 32.0, "rank_scaling": "classic", "dropout": 0.0, "targets": "all-linear"}
LORA |= {"initialisation": "zero-output", "rate_ratio": 1.0, "learning_rate": 1e-3}
SOFT = {"virtual_tokens": 20, "initialisation": "random"}
# BitFit is left out: the model has no biases.
RUNS: dict[str, dict[str, Any]] = {
    "full": {"method": "full", "learning_rate": 1e-4},
    "partial": {"method": "partial", "layers_trained": 8, "learning_rate": 2e-4},
    "galore": {"method": "galore", "rank": 64, "optimizer": "galore-adamw", "learning_rate": 5e-4},
    "lora": {"method": "lora", **LORA},
    "lora+": {"method": "lora", **LORA, "rate_ratio": 8.0, "learning_rate": 3e-4},
    "rslora": {"method": "lora", **LORA, "rank_scaling": "rslora", "learning_rate": 3e-4},
    "dora": {"method": "dora", **LORA},
    "qlora nf4": {"method": "qlora", **LORA, "base_quantization": "nf4"},
    "qlora int8": {"method": "qlora", **LORA, "base_quantization": "int8"},
    "ia3": {"method": "ia3", "learning_rate": 1e-2},
    "adapter": {"method": "adapter", "bottleneck": 64, "learning_rate": 1e-3},
    "prompt-tuning": {"method": "prompt-tuning", **SOFT, "initialisation": "sampled-vocabulary", "learning_rate": 3e-2},
    "prefix-tuning": {"method": "prefix-tuning", **SOFT, "initialisation": "zero-output", "learning_rate": 1e-2},
    "p-tuning": {"method": "p-tuning", **SOFT, "learning_rate": 1e-3},
}


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(_one(sys.argv[2])))
        return
    head = ("method", "trains", "peak MB", "tokens/s", "before", "after", "reload")
    print("{:14} {:>12} {:>8} {:>9} {:>7} {:>7} {:>8}".format(*head))
    for name in sys.argv[1:] or RUNS:
        command = [sys.executable, "-m", "bench.methods", "--one", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name:14} failed: {done.stderr.strip().splitlines()[-1]}")
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        print("{:14} {:12,} {:8.0f} {:9.1f} {:7.4f} {:7.4f} {:8.1e}".format(name, *found), flush=True)


def _one(name: str) -> list[float]:
    """Trainable parameters, peak memory in MB, tokens per second, losses before and after, difference on reloading."""
    import torch
    from peft import PeftModel

    from executors.contract import Job
    from executors.models import load_adapter, load_model, torch_dtype
    from executors.prompt.document import make_prompt, write_prompt
    from executors.train import TrainParams, work
    from executors.train.params import IN_PLACE
    from executors.usage import peak_memory_bytes

    params = TrainParams.model_validate(_params() | RUNS[name])
    seen: dict[str, Any] = {}
    load = work._load

    def keep(*arguments: Any) -> Any:
        loaded = load(*arguments)
        seen["model"], seen["before"] = loaded[0].model, loaded[0].evaluate()["eval_loss"]
        loaded[0].plan.watch.record.evaluations.clear()
        return loaded

    def logits(model: Any) -> Any:
        with torch.no_grad():
            return model.eval()(input_ids=torch.arange(100, 140)[None]).logits[:, -40:].float()

    setattr(work, "_load", keep)  # noqa: B010 - for this process alone
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for part in ("out", "checkpoints"):
            (place / part).mkdir()
        write_prompt(make_prompt("Extract the intent and the slots of the request as compact JSON."), place / "prompt")
        lines = ROWS.read_text(encoding="utf-8").splitlines(keepends=True)
        (place / "train").write_text("".join(lines[:TRAIN]), encoding="utf-8")
        (place / "validation").write_text("".join(lines[TRAIN : TRAIN + VALIDATE]), encoding="utf-8")
        base = small_model()
        inputs = {name: place / name for name in ("prompt", "train", "validation")} | {"model": base}
        job = Job("train/sft", params, inputs, place / "out", place / "checkpoints", lambda _: None, place / "cache")
        outcome = work.train(job)
        peak = peak_memory_bytes() / 1e6
        if params.method in IN_PLACE:
            again = load_model(place / "out" / "model", params.base_dtype, device="cpu")
            # What trained in fp32 is written in the base's dtype; buffers stay as they are.
            for weight in seen["model"].parameters():
                weight.data = weight.data.to(torch_dtype(params.base_dtype))
        else:
            bits = params.base_quantization or "none"
            again = load_model(base, params.base_dtype, device="cpu", quantization=bits)
            ours = params.method == "adapter"
            put = load_adapter if ours else PeftModel.from_pretrained
            again = put(again, place / "out" / "adapter")
        difference = float((logits(again) - logits(seen["model"])).abs().max())
    values = outcome.metrics
    trains = int(str(outcome.notes["trainable"]))
    return [trains, peak, values["tokens_per_s"].value, seen["before"], values["validation_loss"].value, difference]


def _params() -> dict[str, Any]:
    return {
        "objective": "sft",
        "learn_turns": "last",
        "schedule": "constant",
        "warmup_ratio": 0.0,
        "epochs": 1.0,
        "micro_batch": 8,
        "accumulation": 1,
        "max_length": 512,
        "prompt_loss_weight": 0.0,
        "gradient_checkpointing": False,
        "optimizer": "adamw",
        "weight_decay": 0.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "max_grad_norm": 1.0,
        "precision": "bf16",
        "base_dtype": "bf16",
        "attention": "sdpa",
        "distribution": "single",
        "packing": False,
        "length_grouped": True,
        "early_stopping_patience": None,
        "evaluations_per_epoch": 1,
        "checkpoint_s": 3600.0,
        "seed": 1,
    }


if __name__ == "__main__":
    main()
