"""Measures training steps and generation on a real GPU and compares them with `planner.memory`.

    python bench/memory_gpu.py --date 2026-11-22 --out bench/results/memory_a10g.json

Models are built from configs with random weights: memory does not depend on values, and nothing is downloaded. Exit
code 3 where there is no CUDA device. The whole grid takes less than `--minutes`; what no time was left for is listed.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from planner.catalog import find_model
from planner.memory import (
    estimate_inference,
    estimate_training,
    inference_setting,
    read_architecture,
    training_setting,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NO_DEVICE = 3
#: Models whose shapes are measured, smallest first.
MODELS = (
    "HuggingFaceTB/SmolLM2-135M",
    "HuggingFaceTB/SmolLM2-360M",
    "Qwen/Qwen2.5-0.5B",
    "meta-llama/Llama-3.2-1B",
)
WAYS = (
    {"method": "full", "precision": "bf16"},
    {"method": "full", "precision": "amp"},
    {"method": "lora", "precision": "amp"},
    {"method": "qlora", "precision": "amp"},
)
SIZES = ((1, 512), (4, 512), (2, 2048))


class Case(NamedTuple):
    """One thing to measure: a shape, `train` or `generate`, and the fields of the setting."""

    model: str
    phase: str
    fields: dict[str, Any]


class Peak(NamedTuple):
    """What the allocator counted, in bytes, and how long the measured steps took, in seconds."""

    allocated_bytes: int
    reserved_bytes: int
    seconds: float


def grid(*, quantized: bool) -> Iterator[Case]:
    """Every case, small models first, so that a short budget still covers every method."""
    for model in MODELS:
        for way in WAYS:
            if way["method"] == "qlora" and not quantized:
                continue
            for batch, sequence in SIZES:
                for checkpointing in (True, False):
                    fields = {**way, "batch": batch, "sequence": sequence, "checkpointing": checkpointing}
                    yield Case(model, "train", fields)
        for batch in (1, 8):
            yield Case(model, "generate", {"batch": batch, "prompt": 512, "generated": 64})


def expected(case: Case) -> dict[str, list[int]]:
    """What the arithmetic says: low, expected, high of allocated and reserved bytes."""
    architecture = read_architecture(find_model(case.model).config)
    if case.phase == "train":
        found: Any = estimate_training(architecture, training_setting(**case.fields))
    else:
        found = estimate_inference(architecture, inference_setting(**case.fields))
    return {
        "allocated_bytes": [int(value) for value in found.allocated_bytes],
        "reserved_bytes": [int(value) for value in found.reserved_bytes],
    }


def measure_all(
    cases: Sequence[Case], measure: Callable[[Case], Peak], *, budget_s: float, clock: Callable[[], float]
) -> dict[str, Any]:
    """Measure each case and compare; what fails or comes too late is listed, never guessed.

    Args:
        cases: from `grid`.
        measure: runs a case on the device.
        budget_s: no case starts later than this.
        clock: seconds since any moment.
    """
    started, rows, left_out = clock(), [], []
    for case in cases:
        name = {"model": case.model, "phase": case.phase, **case.fields}
        if clock() - started > budget_s:
            left_out.append({**name, "why": "no time was left"})
            continue
        try:
            peak = measure(case)
        except Exception as error:  # noqa: BLE001 - one case that fails must not lose the others
            left_out.append({**name, "why": f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"})
            continue
        ours = expected(case)
        low, middle, high = ours["allocated_bytes"]
        rows.append(
            {
                **name,
                "measured": peak._asdict(),
                "expected": ours,
                "ratio": round(middle / peak.allocated_bytes, 5),
                "inside": low <= peak.allocated_bytes <= high,
                "reserved_inside": ours["reserved_bytes"][0] <= peak.reserved_bytes <= ours["reserved_bytes"][2],
            }
        )
    return {"rows": rows, "left_out": left_out, "summary": summary(rows)}


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Median, 90th percentile and ends of the error of the expected allocated peak, as shares."""
    if not rows:
        return {"cases": 0}
    errors = [row["ratio"] - 1 for row in rows]
    sizes = sorted(abs(error) for error in errors)
    return {
        "cases": len(rows),
        "median_error": round(statistics.median(sizes), 5),
        "p90_error": round(sizes[min(len(sizes) - 1, int(0.9 * len(sizes)))], 5),
        "most_under": round(min(errors), 5),
        "most_over": round(max(errors), 5),
        "inside": sum(row["inside"] for row in rows),
        "reserved_inside": sum(row["reserved_inside"] for row in rows),
    }


def on_device(case: Case) -> Peak:
    """Run a case with torch on the first CUDA device; two steps, so that optimizer states are there at the second."""
    import torch

    gc.collect()
    torch.cuda.empty_cache()
    torch.manual_seed(0)
    torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    (_train if case.phase == "train" else _generate)(case)
    torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    return Peak(torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved(), round(seconds, 3))


def _model(case: Case, dtype: Any, *, quantized: bool = False) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(**find_model(case.model).config)
    with torch.device("cpu" if quantized else "cuda"):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    if quantized:
        _quantize(model)
    return model.to("cuda")


def _quantize(model: Any) -> None:
    """Replace the matrices of the blocks as `load_in_4bit` with double quantization does; they quantize on transfer."""
    import bitsandbytes as bnb
    import torch

    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and "lm_head" not in name:
            parent = model.get_submodule(name.rpartition(".")[0])
            small = bnb.nn.Linear4bit(
                module.in_features, module.out_features, bias=module.bias is not None,
                compute_dtype=torch.bfloat16, quant_type="nf4", compress_statistics=True,
            )  # fmt: skip
            small.weight = bnb.nn.Params4bit(
                module.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True
            )
            small.bias = module.bias
            setattr(parent, name.rpartition(".")[2], small)


def _train(case: Case) -> None:
    import torch

    fields = case.fields
    method, precision = fields["method"], fields["precision"]
    dtype = torch.float32 if (method, precision) == ("full", "amp") else torch.bfloat16
    model = _model(case, dtype, quantized=method == "qlora")
    if method != "full":
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(r=16, target_modules="all-linear", lora_dropout=0.0, task_type="CAUSAL_LM")
        model = get_peft_model(model, config)
    if fields["checkpointing"]:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if method != "full":
            model.enable_input_require_grads()
    model.config.use_cache = False
    model.train()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    shape = (fields["batch"], fields["sequence"])
    tokens = torch.randint(0, model.config.vocab_size, shape, device="cuda")
    for _ in range(2):
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "amp"):
            loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        del loss


def _generate(case: Case) -> None:
    import torch

    model = _model(case, torch.bfloat16).eval()
    torch.cuda.reset_peak_memory_stats()
    fields = case.fields
    tokens = torch.randint(0, model.config.vocab_size, (fields["batch"], fields["prompt"]), device="cuda")
    with torch.inference_mode():
        count = fields["generated"]
        model.generate(tokens, max_new_tokens=count, min_new_tokens=count, do_sample=False, pad_token_id=0)


def machine() -> dict[str, str] | None:
    """The device, its driver and the versions that were measured; None without CUDA."""
    from importlib import metadata

    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    memory = str(torch.cuda.mem_get_info()[1])
    found = {"device": torch.cuda.get_device_name(), "memory_bytes": memory, "driver": _driver()}
    for name in ("torch", "transformers", "peft", "bitsandbytes"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _driver() -> str:
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    return next((word for word in text.split() if word[:1].isdigit() and "." in word), "unknown")


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as aligned text, in GB."""
    lines = [f"{'model':28} {'what':22} {'size':>10} {'measured':>9} {'expected':>9} {'ratio':>7} {'reserved':>9}"]
    for row in rows:
        train = row["phase"] == "train"
        what = f"{row['method']} {row['precision']}{' ckpt' if row['checkpointing'] else ''}" if train else "generate"
        size = f"{row['batch']} x {row['sequence'] if train else row['prompt']}"
        measured, ours = row["measured"], row["expected"]["allocated_bytes"][1]
        lines.append(
            f"{row['model']:28} {what:22} {size:>10} {measured['allocated_bytes'] / 1e9:9.3f} {ours / 1e9:9.3f} "
            f"{row['ratio']:7.4f} {measured['reserved_bytes'] / 1e9:9.3f}{'' if row['inside'] else '  outside'}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; exit status 3 without a device."""
    parser = argparse.ArgumentParser(description="Measure memory on a GPU and compare it with the estimates.")
    parser.add_argument("--date", required=True, help="the day, as YYYY-MM-DD; written into the results")
    parser.add_argument("--out", type=Path, help="where the results go, as JSON")
    parser.add_argument("--minutes", type=float, default=7.0, help="no case starts later than this")
    given = parser.parse_args(arguments)
    found = machine()
    if found is None:
        print("There is no CUDA device here (or no torch), so nothing was measured.", file=sys.stderr)
        return NO_DEVICE
    cases = list(grid(quantized=found["bitsandbytes"] != "not installed"))
    result = measure_all(cases, on_device, budget_s=60 * given.minutes, clock=time.monotonic)
    print(table(result["rows"]))
    print(json.dumps(result["summary"]))
    for case in result["left_out"]:
        print(f"left out: {case}", file=sys.stderr)
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        content = {"date": given.date, "machine": found, **result}
        given.out.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
