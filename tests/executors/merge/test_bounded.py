"""Merges of models that are larger than the memory that a process may take."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.executors.merge.merges import MARKS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = MARKS
# Merges the models under argv[1] with at most argv[2] bytes more than is held before; the kernel refuses the rest.
CHILD = """
import json, resource, sys
from pathlib import Path
import psutil, torch
from safetensors.torch import load_file
from executors.merge import writing
from executors.merge.quiet import import_mergekit
from tests.executors.merge.merges import perform, values

folder, room = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
import_mergekit()
mean = values("linear", weights=[0.5, 0.5], normalize=True, rescale_above=3.0)
perform(folder / "first", mean, folder / "small", folder / "other")
writing.SHARD_BYTES = room // 10
one, two, told = folder / "one", folder / "two", {}
ties = values("ties", weights=[0.5, 0.5], normalize=True, scale=1.0, density=0.5, rescale_above=3.0)
for given, base in ((mean, None), (values("slerp", t=0.3), None), (ties, folder / "base")):
    limit = psutil.Process().memory_info().data + room
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
    told[given["method"]] = perform(folder / given["method"], given, one, two, base=base).notes["reloaded"]
try:
    held = [{name: each.clone() for name, each in load_file(path).items()} for path in one.glob("*.safetensors")]
    told["load"] = "done"
except (MemoryError, RuntimeError):
    told["load"] = "no memory"
print(json.dumps(told))
"""
ROOM = 45_000_000


def large(small: Path, folder: Path, seed: int) -> Path:
    """A model of 67 MB in files of a few tensors, with the tokenizer of a small one."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shutil.copytree(small, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    settings = json.loads((small / "config.json").read_text(encoding="utf-8"))
    wide = {"hidden_size": 512, "intermediate_size": 512, "num_hidden_layers": 11, "head_dim": 128}
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**settings | wide))
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.002)
    model.save_pretrained(folder, max_shard_size="3MB")
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) > 1.4 * ROOM
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds what a process may write to")
def test_models_are_merged_in_less_memory_than_one_of_them_takes(tmp_path: Path, family: dict[str, Path]) -> None:
    shutil.copytree(family["one"], tmp_path / "small")
    shutil.copytree(family["two"], tmp_path / "other")
    for seed, name in enumerate(("base", "one", "two")):
        large(family["base"], tmp_path / name, seed)
    command = [sys.executable, "-W", "ignore", "-c", CHILD, str(tmp_path), str(ROOM)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    bounded = dict.fromkeys(("linear", "slerp", "ties"), "names and shapes")
    assert json.loads(ran.stdout.splitlines()[-1]) == bounded | {"load": "no memory"}
