"""Reads a model's folder: config.json, the headers of its safetensors files, tokenizer and licence."""

from __future__ import annotations

import json
import re
from math import prod
from typing import TYPE_CHECKING, Any

from planner.documents import InputError
from planner.survey.chat_template import ends_answers, opens_answers
from planner.survey.plain_text import read_json
from planner.survey.problems import first_of, problem

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Finding

MAX_HEADER_BYTES = 100 * 2**20
LENGTH_BYTES = 8
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
# Files of these names are a trainer's own state, not weights.
NOT_WEIGHTS = frozenset(
    {"training_args.bin", "optimizer.bin", "scheduler.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth"}
)
DTYPES = {
    "F64": "fp64",
    "F32": "fp32",
    "F16": "fp16",
    "BF16": "bf16",
    "F8_E4M3": "fp8",
    "F8_E5M2": "fp8",
    "I8": "int8",
    "U8": "int8",
    "I32": "int4",
}
_TORCH_DTYPES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float8_e4m3fn": "fp8"}


def read_folder(folder: Path, name: str, pointer: str) -> tuple[dict[str, Any], list[Finding]]:
    """What a model's folder says, by the field names of `ModelSurvey`, and what is wrong with it.

    Args:
        folder: holds config.json and, when the weights are at hand, safetensors files.
        name: the folder as the user wrote it.
        pointer: the place in the spec that names it.
    """
    config_path = folder / "config.json"
    if not config_path.is_file():
        return {}, [_no_config(folder, name, pointer)]
    try:
        config = read_json(config_path, f"{name}/config.json", code="MODEL", pointer=pointer)
    except InputError as error:
        return {}, list(error.findings)
    if not isinstance(config, dict):
        message = f"`{name}/config.json` holds no JSON object."
        return {}, [problem("MODEL016", message, "Copy the model again.", file=name, pointer=pointer)]
    quantization = _quantization(config)
    known: dict[str, Any] = {
        "config": config,
        "quantization": quantization,
        "dtype": _TORCH_DTYPES.get(str(config.get("dtype") or config.get("torch_dtype"))),
        "context_tokens": _context(config),
        "licence": _licence(folder),
        "has_chat_template": _has_template(folder),
        "ends_answers": ends_answers(folder, config),
        "opens_answers": opens_answers(folder),
        "tokenizer": folder / "tokenizer.json" if (folder / "tokenizer.json").is_file() else None,
    }
    weights, found = _weights(folder, name, pointer)
    if weights:
        known["has_weights"] = True
        # Packed values are not parameters: of a quantized model only the architecture knows how many there are.
        if quantization is None:
            known["params"] = weights["params"]
            known["params_source"] = "safetensors headers"
            known["dtype"] = weights["dtype"] or known["dtype"]
    return known, found


def _weights(folder: Path, name: str, pointer: str) -> tuple[dict[str, Any], list[Finding]]:
    files, found = _weight_files(folder, name, pointer)
    if found:
        return {}, found
    if not files:
        pickles = sorted(item.name for pattern in PICKLES for item in folder.glob(pattern))
        pickles = [item for item in pickles if item not in NOT_WEIGHTS]
        if pickles:
            message = f"`{name}` has its weights only as pickle ({first_of(pickles)}), which can run code when loaded."
            fix = "Convert them to safetensors; pickle is refused."
            return {}, [problem("MODEL021", message, fix, file=name, pointer=pointer)]
        message = f"`{name}` has a config.json and no weights: a plan can be made and not run."
        fix = "Copy the safetensors files into it."
        return {}, [problem("MODEL022", message, fix, file=name, pointer=pointer, severity="warning")]
    params = 0
    values: dict[str, int] = {}
    for path in files:
        try:
            header = _safetensors_header(path)
        except (OSError, ValueError) as error:
            message = f"`{name}/{path.name}` cannot be used: {error}."
            found.append(problem("MODEL023", message, "Copy the file again.", file=name, pointer=pointer))
            continue
        for shape, dtype in header:
            size = prod(shape)
            params += size
            values[dtype] = values.get(dtype, 0) + size
    dtype = min(values, key=lambda each: (-values[each], each)) if values else ""
    return {"params": params, "dtype": DTYPES.get(dtype)}, found


def _weight_files(folder: Path, name: str, pointer: str) -> tuple[list[Path], list[Finding]]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            table = read_json(index, f"{name}/{index.name}", code="MODEL", pointer=pointer)
            shards = sorted({str(shard) for shard in table["weight_map"].values()})
        except InputError as error:
            return [], list(error.findings)
        except (KeyError, TypeError, AttributeError):
            message = f"`{name}/{index.name}` has no weight_map."
            return [], [problem("MODEL024", message, "Copy the file again.", file=name, pointer=pointer)]
        plain = [shard for shard in shards if "/" not in shard and "\\" not in shard and ".." not in shard]
        missing = [shard for shard in shards if shard not in plain or not (folder / shard).is_file()]
        if missing:
            message = f"`{name}` lacks {len(missing)} of its {len(shards)} files of weights: {first_of(missing)}."
            return [], [problem("MODEL025", message, "Copy the model again.", file=name, pointer=pointer)]
        return [folder / shard for shard in plain], []
    single = folder / "model.safetensors"
    if single.is_file():
        return [single], []
    return sorted(folder.glob("model*.safetensors")), []


def _safetensors_header(path: Path) -> list[tuple[list[int], str]]:
    """Shape and dtype of every tensor.

    Raises:
        ValueError: the file is cut off or not safetensors; the text is a clause.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        if size < LENGTH_BYTES or length > min(MAX_HEADER_BYTES, size):
            raise ValueError("it is not a whole safetensors file")
        content = stream.read(length)
    try:
        header = json.loads(content)
        tensors = [entry for key, entry in header.items() if key != "__metadata__"]
        end = max((int(entry["data_offsets"][1]) for entry in tensors), default=0)
        shapes = [([int(length) for length in entry["shape"]], str(entry["dtype"])) for entry in tensors]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise ValueError("its header is not that of a safetensors file") from None
    if LENGTH_BYTES + length + end > size:
        raise ValueError(f"it is truncated, with {size:,} of {LENGTH_BYTES + length + end:,} bytes")
    return shapes


def _no_config(folder: Path, name: str, pointer: str) -> Finding:
    if (folder / "adapter_config.json").is_file():
        fix = "Name the base model; the adapter comes on top."
        return problem("MODEL020", f"`{name}` is an adapter, not a model.", fix, file=name, pointer=pointer)
    inside = sorted(item.name for item in folder.glob("*.gguf"))
    fix = f"Name the file: `{name}/{inside[0]}`." if inside else "A model's folder holds config.json and safetensors."
    return problem("MODEL020", f"`{name}` has no config.json.", fix, file=name, pointer=pointer)


def _quantization(config: dict[str, Any]) -> str | None:
    settings = config.get("quantization_config")
    if not isinstance(settings, dict):
        return None
    method = str(settings.get("quant_method") or "unknown")
    bits = settings.get("bits") or (4 if settings.get("load_in_4bit") else 8 if settings.get("load_in_8bit") else None)
    return f"{method}-{bits}bit" if bits else method


def _context(config: dict[str, Any]) -> int | None:
    text = config.get("text_config")
    for source in (config, text if isinstance(text, dict) else {}):
        for key in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length"):
            value = source.get(key)
            if isinstance(value, int) and value > 0:
                return value
    return None


def _has_template(folder: Path) -> bool | None:
    if (folder / "chat_template.jinja").is_file():
        return True
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return None
    try:
        settings = read_json(path, path.name, code="MODEL")
    except InputError:
        return None
    return isinstance(settings, dict) and bool(settings.get("chat_template"))


def _licence(folder: Path) -> str | None:
    """The licence that the model card's head names."""
    try:
        with (folder / "README.md").open("rb") as stream:
            head = stream.read(4096).decode("utf-8", "replace")
    except OSError:
        return None
    card = re.match(r"---\s*\n(.*?)\n---", head, re.DOTALL)
    line = re.search(r"^license:\s*[\"']?([^\"'\n]+?)[\"']?\s*$", card[1], re.MULTILINE) if card else None
    return line[1] if line else None
