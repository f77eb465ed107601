"""Merges against mergekit's own command: `python bench/merges.py [--rounds N] [--size GB] [--only METHOD]`.

Makes a base and two finetunes of it from random weights, merges them by each method with `merge-models` and with
`mergekit-yaml`, each in a process of its own and in turn, and compares the results bit for bit, the time and the peak
memory. Who is first changes from round to round; a first merge that counts nowhere reads the files and libraries.
With `--limit GB` each method merges under a limit of the kernel that is less than one model. The folder that it works
in is removed at the end.
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
    "dare-linear": {**PRUNED, "density": 0.5},
    "dare-ties": {**PRUNED, "density": 0.5},
    "della": {**PRUNED, "density": 0.5, "spread": 0.1},
}
COMPARED = [method for method in METHODS if method != "federated-average"]
WHOLE = ("slerp", "federated-average")
# What is shown under a limit: a mean, an arc, changes that are pruned, and many clients one at a time.
BOUNDED = ("linear", "slerp", "ties", "federated-average")
SEED, HIDDEN, BLOCKS, VOCABULARY = 7, 2048, 9, 32000
# Under a limit the largest tensor is to the model as in one of 7 billion weights, about one part in fifty.
SMALL_VOCABULARY, MANY_FILES = 8000, 16
GIGABYTE = 1e9
HEAD = f"{'':<18}{'wall, s':>24} {'CPU, s':>24} {'peak, GB':>22}"
SIDES = "    ours  theirs   ratio"
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
    asked.add_argument("--limit", type=float, help="GB of data that a merge may hold, instead of the comparison")
    asked.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    asked.add_argument("--equal", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.make:
        _make(Path(given.make[0]), given.size, int(given.make[1]))
        return
    if given.child:
        _ours(given.child[0], Path(given.child[1]))
        return
    if given.equal:
        print(_equal(*given.equal))
        return
    folder = Path(tempfile.mkdtemp(prefix="merges-"))
    try:
        # In a process of its own: what a parent holds counts in the peaks of its children.
        make = [sys.executable, __file__, "--make", str(folder), str(MANY_FILES if given.limit else 2)]
        subprocess.run([*make, "--size", str(given.size)], check=True)
        if given.limit:
            _bounded(folder, given.limit)
            return
        _both("linear", folder, 0)
        print(f"{HEAD}\n{'':<18}{SIDES} {SIDES} {SIDES[:16]} equal", flush=True)
        for method in given.only or COMPARED:
            _compare(method, folder, given.rounds)
    finally:
        shutil.rmtree(folder)


def _compare(method: str, folder: Path, rounds: int) -> None:
    found = [_both(method, folder, number) for number in range(rounds)]
    ours, theirs = (
        Taken(*map(min, zip(*side, strict=True)))
        for side in ([one for one, _, _ in found], [two for _, two, _ in found])
    )
    told = [f"{one:8.1f}{two:8.1f}{one / two:8.2f}" for one, two in zip(ours[:2], theirs[:2], strict=True)]
    peaks = "".join(f"{each.peak_bytes / GIGABYTE:8.2f}" for each in (ours, theirs))
    print(f"{method:<18}{' '.join(told)} {peaks} {found[0][2]}", flush=True)


def _both(method: str, folder: Path, number: int) -> tuple[Taken, Taken, str]:
    """One merge of ours, one of mergekit's command, and whether they made the same."""
    config, out = folder / f"{method}.json", folder / "theirs"
    config.write_text(json.dumps(_recipe(method, folder)), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("mergekit-yaml")), str(config), str(out)]
    commands = {
        "ours": [sys.executable, __file__, "--child", method, str(folder)],
        "theirs": [*command, "--random-seed", str(SEED), "--quiet"],
    }
    taken = {side: _taken(commands[side]) for side in sorted(commands, reverse=number % 2 == 1)}
    compare = [sys.executable, __file__, "--equal", str(folder / "out" / "model"), str(out)]
    equal = subprocess.run(compare, check=True, capture_output=True, text=True).stdout.strip()
    shutil.rmtree(folder / "out")
    shutil.rmtree(out)
    return taken["ours"], taken["theirs"], equal


def _bounded(folder: Path, limit: float) -> None:
    """Merges under a limit of the kernel, and a process that loads one of the models under the same."""
    size = sum(path.stat().st_size for path in (folder / "one").glob("*.safetensors"))
    bounds = (int(limit * GIGABYTE),) * 2
    loading = f"import glob; from safetensors.torch import load; files = glob.glob('{folder}/one/*.safetensors'); "
    loading += "held = [load(open(file, 'rb').read()) for file in files]"
    merges = {method: [sys.executable, __file__, "--child", method, str(folder)] for method in BOUNDED}
    for what, command in {**merges, "to load one model": [sys.executable, "-c", loading]}.items():
        shutil.rmtree(folder / "out", ignore_errors=True)
        ran = subprocess.run(
            command,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, bounds),
            env={**os.environ, **QUIET, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        done = "done" if ran.returncode == 0 else f"ended with {ran.returncode}: {ran.stderr.strip().splitlines()[-1]}"
        print(f"a model of {size / GIGABYTE:.2f} GB, {limit} GB of data allowed: {what} {done}", flush=True)


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
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, **QUIET})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            tail = said.read()[-2000:].decode(errors="replace")
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    wall = time.perf_counter() - started
    return Taken(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _equal(one: Path, two: Path) -> str:
    """Whether every tensor of two folders has the same bits, or which one has not."""
    import torch
    from safetensors import safe_open

    def names(folder: Path) -> dict[str, Path]:
        found: dict[str, Path] = {}
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
    rows = SMALL_VOCABULARY if files == MANY_FILES else VOCABULARY
    config = LlamaConfig(
        vocab_size=rows, hidden_size=HIDDEN, intermediate_size=5504, num_hidden_layers=blocks,
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
