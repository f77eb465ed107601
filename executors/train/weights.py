"""What must hold of a base's files before they are loaded: safetensors that are whole, in a format that fits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from executors.models import gguf_file
from planner.documents import Finding, InputError, Where

if TYPE_CHECKING:
    from pathlib import Path

    from executors.train.params import TrainParams

PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
INDEX = "model.safetensors.index.json"


def check_weights(base: Path, params: TrainParams) -> None:
    """Read the headers of all weights, which takes no time and no memory.

    Raises:
        InputError: they are pickled, damaged, not all there, or bf16 where fp16 is asked for.
    """
    if gguf_file(base) is not None:
        return
    files = sorted(base.glob("*.safetensors"))
    if not files:
        pickled = next((file.name for pattern in PICKLED for file in sorted(base.glob(pattern))), None)
        message = (
            f"The weights are pickled ({pickled}): reading them can run code." if pickled else "There are no weights."
        )
        raise _error("TRAIN021", message, "Take a folder with safetensors, or have it converted by its author.", base)
    named = (
        set(json.loads((base / INDEX).read_text(encoding="utf-8"))["weight_map"].values()) if _indexed(base) else set()
    )
    lacking = sorted(named - {file.name for file in files})
    if lacking:
        message = f"{len(lacking)} files of weights are missing, the first is {lacking[0]}."
        raise _error("TRAIN022", message, "Copy the model folder again.", base)
    formats = {found for file in files for found in _formats(file)}
    if formats == {"BF16"} and params.base_dtype == "fp16":
        message = "The weights are bf16, of which fp16 cannot hold the largest and smallest values."
        raise _error("TRAIN023", message, "Set base_dtype to bf16, or to fp32.", base)


def _indexed(base: Path) -> bool:
    return (base / INDEX).is_file()


def _formats(file: Path) -> set[str]:
    """The number formats of a file's matrices; its header says how long it must be."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as weights:
            slices = [weights.get_slice(name) for name in weights.keys()]  # noqa: SIM118 - it is no mapping
            return {str(each.get_dtype()) for each in slices if len(each.get_shape()) > 1}
    except (SafetensorError, OSError, ValueError) as error:
        message = f"The weights are damaged: {str(error).splitlines()[0].rstrip('.')}."
        raise _error("TRAIN024", message, "Copy the file again.", file) from error


def _error(code: str, message: str, fix: str, file: Path) -> InputError:
    where = Where(file=str(file))
    return InputError([Finding(code=code, severity="error", message=message, fix=fix, where=where)])
