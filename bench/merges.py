"""Merges against mergekit's own command: `nice -n 10 python bench/merges.py [--rounds N] [--size GB] [--only METHOD]`.

Makes a base and two finetunes of it from random weights, merges them by each method with `merge-models` and with
`mergekit-yaml`, each in a process of its own and in turn, and compares the results bit for bit, the time and the peak
memory. The folder that it works in is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.executors.tiny import make_tiny_model  # noqa: E402 - the checkout comes first

SHARED = {"adapters": [False, False], "tokenizer": "base", "alignment": "none", "search": "none", "dtype": "bf16"}
PRUNED = {"weights": [0.5, 0.5], "normalize": True, "scale": 1.0}
METHODS: dict[str, dict[str, Any]] = {
    "federated-average": {"weights": [100.0, 300.0]},
    "linear": {"weights": [0.5, 0.5], "normalize": True},
    "slerp": {"t": 0.5},
    "task-arithmetic": {"weights": [1.0, 1.0], "normalize": False, "scale": 0.4},
    "ties": {**PRUNED, "density": 0.2},
    "dare-ties": {**PRUNED, "density": 0.5},
}
COMPARED = [method for method in METHODS if method != "federated-average"]
WHOLE = ("slerp", "federated-average")
SEED, HIDDEN, BLOCKS, VOCABULARY = 7, 2048, 9, 32000
GIGABYTE = 1e9
HEAD = "ratio  equal"
# As runs of plans have it: threads that wait leave the core to others.
QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}


class Taken(NamedTuple):
    """What a process took."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def main() -> None:
    """Make the models, measure in turn, and print the lowest of each."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--size", type=float, default=1.0, help="GB of a checkpoint")
    asked.add_argument("--only", choices=COMPARED, action="append")
    asked.add_argument("--limit", type=float, help="GB of data that a federated average may hold, instead of the rest")
    asked.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.make:
        _make(Path(given.make[0]), given.size, int(given.make[1]))
        return
    if given.child:
        _ours(given.child[0], Path(given.child[1]))
        return
    folder = Path(tempfile.mkdtemp(prefix="merges-"))
    try:
        # In a process of its own: what a parent holds counts in the peaks of its children.
        make = [sys.executable, __file__, "--make", str(folder), "16" if given.limit else "2"]
        subprocess.run([*make, "--size", str(given.size)], check=True)
        if given.limit:
            _bounded(folder, given.limit)
            return
        print(f"{'s; GB':<16} {'wall':>7} {'theirs':>7} {'CPU':>7} {'theirs':>7} {'peak':>6} {'theirs':>7}  {HEAD}")
        for method in given.only or COMPARED:
            _compare(method, folder, given.rounds)
    finally:
        shutil.rmtree(folder)


def _compare(method: str, folder: Path, rounds: int) -> None:
    ours, theirs, equal = [], [], ""
    config = folder / f"{method}.json"
    config.write_text(json.dumps(_recipe(method, folder)), encoding="utf-8")
    out = folder / "theirs"
    command = [str(Path(sys.executable).with_name("mergekit-yaml")), str(config), str(out)]
    for _ in range(rounds):
        ours.append(_taken([sys.executable, __file__, "--child", method, str(folder)]))
        theirs.append(_taken([*command, "--random-seed", str(SEED), "--quiet"]))
        equal = equal or _equal(folder / "out" / "model", out)
        shutil.rmtree(folder / "out")
        shutil.rmtree(out)
    one, two = (Taken(*(min(column) for column in zip(*found, strict=True))) for found in (ours, theirs))
    print(
        f"{method:<16} {one.wall_s:7.1f} {two.wall_s:7.1f} {one.cpu_s:7.1f} {two.cpu_s:7.1f} "
        f"{one.peak_bytes / GIGABYTE:6.2f} {two.peak_bytes / GIGABYTE:7.2f}  {one.wall_s / two.wall_s:5.2f}  {equal}",
        flush=True,
    )


def _bounded(folder: Path, limit: float) -> None:
    """A federated average under a limit of the kernel, and a process that loads one of the models under the same."""
    size = sum(path.stat().st_size for path in (folder / "one").glob("*.safetensors"))
    bounds = (int(limit * GIGABYTE),) * 2
    loading = f"import glob; from safetensors.torch import load; files = glob.glob('{folder}/one/*.safetensors'); "
    loading += "held = [load(open(file, 'rb').read()) for file in files]"
    for what, command in (
        ("federated-average", [sys.executable, __file__, "--child", "federated-average", str(folder)]),
        ("to load one model", [sys.executable, "-c", loading]),
    ):
        ran = subprocess.run(
            command,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, bounds),
            env={**os.environ, **QUIET, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        done = "done" if ran.returncode == 0 else f"ended with {ran.returncode}: {ran.stderr.strip().splitlines()[-1]}"
        print(f"a model of {size / GIGABYTE:.2f} GB, {limit} GB of data allowed: {what} {done}")


def _params(method: str) -> dict[str, Any]:
    rescale = None if method in WHOLE else 3.0
    return {"method": method, **SHARED, "rescale_above": rescale, "seed": SEED, **METHODS[method]}


def _recipe(method: str, folder: Path) -> dict[str, Any]:
    from executors.merge.params import MergeModelsParams
    from executors.merge.recipe import recipe

    at = {"source-0": str(folder / "one"), "source-1": str(folder / "two"), "base": str(folder / "base")}
    return recipe(MergeModelsParams.model_validate(_params(method)), at)


def _ours(method: str, folder: Path) -> None:
    """The merge as a run does it: the checks before it, the merge, and the proof that the result can be read."""
    from executors.contract import Job
    from executors.merge import MergeModels, MergeModelsParams

    inputs: dict[str, Path | str] = {"source-0": folder / "one", "source-1": folder / "two"}
    if method not in ("linear", *WHOLE):
        inputs["base"] = folder / "base"
    out, kept = folder / "out", folder / "kept"
    out.mkdir()
    kept.mkdir(exist_ok=True)
    params = MergeModelsParams.model_validate(_params(method))
    MergeModels().perform(Job("merge/models", params, inputs, out, kept, lambda _: None, folder))


def _taken(command: list[str]) -> Taken:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **QUIET})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    wall = time.perf_counter() - started
    return Taken(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _equal(one: Path, two: Path) -> str:
    """Whether every tensor of two folders has the same bits, or which one has not."""
    import torch
    from safetensors import safe_open

    def names(folder: Path) -> dict[str, Path]:
        found = {}
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, "pt") as file:
                found |= dict.fromkeys(file.keys(), path)
        return found

    left, right = names(one), names(two)
    if left.keys() != right.keys():
        return "no: other tensors"
    for name, path in left.items():
        with safe_open(path, "pt") as mine, safe_open(right[name], "pt") as other:
            if not torch.equal(mine.get_tensor(name), other.get_tensor(name)):
                return f"no: {name}"
    return "bit for bit"


def _make(folder: Path, size: float, files: int) -> None:
    """A base of about `size` GB and two models that lie near it, in files of one size."""
    import torch
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    blocks = max(1, round(BLOCKS * size))
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, intermediate_size=5504, num_hidden_layers=blocks,
        num_attention_heads=16, num_key_value_heads=16, tie_word_embeddings=True, dtype="bfloat16",
        architectures=["LlamaForCausalLM"], max_position_embeddings=2048,
    )  # fmt: skip
    with torch.device("meta"):
        shapes = {name: weight.shape for name, weight in LlamaForCausalLM(config).named_parameters()}
    drawn: dict[tuple[int, ...], list[torch.Tensor]] = {}
    for number, name in enumerate(("base", "one", "two")):
        make_tiny_model(folder / name)
        (folder / name / "model.safetensors").unlink()
        config.save_pretrained(folder / name)
        shards: list[dict[str, torch.Tensor]] = [{} for _ in range(files)]
        for at, (key, shape) in enumerate(shapes.items()):
            if shape not in drawn:
                draw = torch.Generator().manual_seed(SEED + len(drawn))
                drawn[shape] = [torch.randn(shape, generator=draw) for _ in range(3)]
            # Drawn once a shape, and turned by another number of rows in each tensor.
            weight, change = drawn[shape][0].roll(at, 0) * 0.02, drawn[shape][number].roll(-at, 0) * 0.002
            shards[at * files // len(shapes)][key] = (weight + change if number else weight).bfloat16()
        names = [f"model-{part + 1:05d}-of-{files:05d}.safetensors" for part in range(files)]
        for shard, file in zip(shards, names, strict=True):
            save_file(shard, folder / name / file, {"format": "pt"})
        index = {key: file for shard, file in zip(shards, names, strict=True) for key in shard}
        text = json.dumps({"metadata": {}, "weight_map": index})
        (folder / name / "model.safetensors.index.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
