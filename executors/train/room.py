"""Whether the disk holds what a training leaves on it, by the headers of the weights."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from executors.files import free_bytes
from executors.models import DTYPE_BYTES
from executors.train.belonging import EVERYTHING, IN_PLACE
from executors.train.checkpoints import KEPT
from executors.train.methods.in_place import GATE
from planner.documents import Finding, Where

if TYPE_CHECKING:
    from executors.contract import Job
    from executors.train.params import TrainParams

MB = 10**6
# Two moments in fp32, or in 8 bits with their scales.
STATE_BYTES = {"adamw": 8.0, "adamw-8bit": 2.1, "paged-adamw-8bit": 2.1, "galore-adamw": 8.0}
MATRIX = 2
BLOCK = re.compile(r"\.(\d+)\.")


def check_room(job: Job) -> list[Finding]:
    """Outputs can be written, and the disk holds the checkpoints that are kept while one more is written."""
    findings = [
        _finding("TRAIN005", "The folder cannot be written.", "Change its permissions.", folder)
        for folder in (job.out, job.checkpoints)
        if not os.access(folder, os.W_OK)
    ]
    params: TrainParams = job.params
    shapes = _shapes(Path(job.inputs["model"]))
    values = most_trained(shapes, params)
    weight = DTYPE_BYTES[params.base_dtype] if params.method == "galore" else 4
    needed = (KEPT + 2) * values * (weight + STATE_BYTES[params.optimizer])
    if params.method in IN_PLACE:
        needed += sum(map(_count, shapes.values())) * DTYPE_BYTES[params.base_dtype]
    else:
        needed += values * weight
    free = free_bytes(job.checkpoints)
    if free < needed:
        message = f"Checkpoints and result need {needed / MB:,.0f} MB, but {free / MB:,.0f} MB are free."
        fix = "Free some space" + (" or lower the rank." if params.rank else ".")
        findings.append(_finding("TRAIN006", message, fix, job.checkpoints))
    return findings


def most_trained(shapes: dict[str, list[int]], params: TrainParams) -> int:
    """At most so many values train, by the shapes of the weights.

    Embedding and output head are matrices too, but carry no adapter; soft prompts are counted by the widest matrix.
    """
    if params.method in IN_PLACE and params.method != "relora":
        return sum(_count(shape) for name, shape in shapes.items() if _in_place(name, shapes, params))
    matrices = [shape for shape in shapes.values() if len(shape) == MATRIX]
    widest = max((min(shape) for shape in matrices), default=0)
    blocks, tokens, narrow = _blocks(shapes), params.virtual_tokens or 0, params.bottleneck or 0
    most = {
        "ia3": sum(max(shape) for shape in matrices),
        "adapter": 2 * blocks * (2 * widest * narrow + narrow + widest),
        "prefix-tuning": 2 * blocks * tokens * widest,
        "prompt-tuning": tokens * widest,
        "p-tuning": tokens * widest + 3 * (widest * widest + widest),
    }
    low_rank = sum((params.rank or 0) * sum(shape) + max(shape) for shape in matrices)
    if params.method == "relora":
        # What is folded is a part of every checkpoint.
        low_rank += sum(map(_count, matrices))
    return most.get(params.method, low_rank)


def _in_place(name: str, shapes: dict[str, list[int]], params: TrainParams) -> bool:
    """Whether a tensor of the model itself is trained."""
    if params.method in EVERYTHING:
        return True
    if params.method == "bitfit":
        return name.endswith("bias")
    if params.method == "router":
        return GATE.search(name) is not None
    block = BLOCK.search(name)
    return block is not None and int(block[1]) >= _blocks(shapes) - (params.layers_trained or 0)


def _blocks(shapes: dict[str, list[int]]) -> int:
    return len({found[1] for name in shapes if (found := BLOCK.search(name))})


def _shapes(base: Path) -> dict[str, list[int]]:
    """Shape of every stored tensor, by name."""
    found: dict[str, list[int]] = {}
    for file in sorted(base.glob("*.safetensors")):
        with file.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        found |= {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    return found


def _count(shape: list[int]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total


def _finding(code: str, message: str, fix: str, folder: Path) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(file=str(folder)))
