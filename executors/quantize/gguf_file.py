"""A model folder written as one GGUF file, tensor by tensor, so that llama.cpp and ollama load it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from executors.gguf_positions import check_positions, same_positions, write_positions
from executors.merge.sources import tensors
from executors.quantize.gguf_tokens import write_tokens
from planner.documents import InputError, RunError

if TYPE_CHECKING:
    from pathlib import Path

GgufFormat = Literal["f16", "q8_0", "q4_0"]
# Architectures of transformers whose tensors llama.cpp computes alike, by its name for them.
ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}
# transformers does not read the width of a head from files of this family, and takes that of its releases.
QWEN3_HEAD = 128
# Largest error of a tensor that comes back, relative to its norm.
MOST_ERROR: dict[GgufFormat, float] = {"f16": 2e-2, "q8_0": 2e-2, "q4_0": 0.2}


class Shape(NamedTuple):
    """What the configuration says of the tensors."""

    architecture: str
    layers: int
    heads: int
    key_heads: int
    scaled: bool
    """Whether rotary positions are scaled."""


def write_gguf(folder: Path, path: Path, kind: GgufFormat) -> None:
    """Write a model as GGUF; one tensor is in memory at a time.

    Args:
        folder: a model folder of safetensors.
        path: the file to write.
        kind: form of the matrices. Vectors stay in fp32; embeddings and head keep at least 8 bits, as every token
            passes through them; rows that are no whole blocks stay in fp16.

    Raises:
        InputError: the architecture, its rotary scaling or its tokenizer is none that llama.cpp is told of here.
    """
    from gguf import MODEL_TENSOR, TENSOR_NAMES, GGUFWriter, LlamaFileType
    from safetensors import safe_open
    from transformers import AutoConfig

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = _shape(config, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(path, shape.architecture)
    _settings(writer, config, shape)
    types = {"f16": LlamaFileType.MOSTLY_F16, "q8_0": LlamaFileType.MOSTLY_Q8_0, "q4_0": LlamaFileType.MOSTLY_Q4_0}
    writer.add_file_type(types[kind])
    writer.add_quantization_version(2)
    factors = (
        write_positions(writer, AutoConfig.from_pretrained(folder, local_files_only=True)) if shape.scaled else None
    )
    write_tokens(writer, folder, int(config["vocab_size"]))
    found = tensors(folder)
    if config.get("tie_word_embeddings"):
        found.pop("lm_head.weight", None)
    if factors is not None:
        _announce(writer, f"{TENSOR_NAMES[MODEL_TENSOR.ROPE_FREQS]}.weight", factors.shape, kind)
    named = {name: _name(name, shape, folder) for name in found}
    for name, tensor in found.items():
        _announce(writer, named[name], tensor.shape, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    if factors is not None:
        writer.write_tensor_data(factors)
    for name, tensor in found.items():
        with safe_open(tensor.file, "pt") as file:
            data = file.get_tensor(name).float().numpy()
        writer.write_tensor_data(_rounded(_permuted(data, name, shape), named[name], kind))
    writer.close()


def _shape(config: dict[str, Any], folder: Path) -> Shape:
    [name, *_] = config.get("architectures") or ["unknown"]
    if name not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        message = f"{name} is not written as GGUF here; {known} are."
        raise InputError.one("QUANT030", message, "Convert it with llama.cpp's own script.", file=str(folder))
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    scaled = check_positions(rope, ARCHITECTURES[name], folder)
    heads = int(config["num_attention_heads"])
    width = config.get("head_dim") or int(config["hidden_size"]) // heads
    if ARCHITECTURES[name] == "qwen3" and width != QWEN3_HEAD:
        message = f"Heads of {width} are not read again from a GGUF file of {name}."
        raise InputError.one("QUANT035", message, "Convert it with llama.cpp's own script.", file=str(folder))
    key_heads = config.get("num_key_value_heads", heads)
    return Shape(ARCHITECTURES[name], int(config["num_hidden_layers"]), heads, key_heads, scaled)


def _settings(writer: Any, config: dict[str, Any], shape: Shape) -> None:
    width = int(config["hidden_size"])
    head = int(config.get("head_dim") or width // shape.heads)
    rope = config.get("rope_parameters") or config
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(int(shape.key_heads))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_rope_freq_base(float(rope.get("rope_theta", 10000.0)))
    writer.add_rope_dimension_count(head)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_vocab_size(int(config["vocab_size"]))


def _name(name: str, shape: Shape, folder: Path) -> str:
    from gguf import MODEL_ARCH, get_tensor_name_map

    names = get_tensor_name_map(MODEL_ARCH[shape.architecture.upper()], shape.layers)
    found: str | None = names.get_name(name, (".weight", ".bias"))
    if found is None:
        message = f"GGUF has no name for the tensor {name} of a {shape.architecture} model."
        raise InputError.one("QUANT032", message, "Convert it with llama.cpp's own script.", file=str(folder))
    return found


def _permuted(data: Any, name: str, shape: Shape) -> Any:
    """Queries and keys with their rotary halves interleaved, as llama.cpp's `llama` expects them."""
    heads = {"q_proj": shape.heads, "k_proj": shape.key_heads}.get(name.rsplit(".", 2)[-2])
    if heads is None or shape.architecture != "llama":
        return data
    halves = data.reshape(heads, 2, data.shape[0] // heads // 2, *data.shape[1:])
    return halves.swapaxes(1, 2).reshape(data.shape)


def _type(name: str, shape: tuple[int, ...], kind: GgufFormat) -> Any:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if len(shape) == 1:
        return GGMLQuantizationType.F32
    if kind == "q4_0" and name in ("token_embd.weight", "output.weight"):
        kind = "q8_0"
    wanted = GGMLQuantizationType[kind.upper()]
    return wanted if shape[-1] % GGML_QUANT_SIZES[wanted][0] == 0 else GGMLQuantizationType.F16


def _announce(writer: Any, name: str, shape: tuple[int, ...], kind: GgufFormat) -> None:
    import numpy as np
    from gguf import GGMLQuantizationType, quant_shape_to_byte_shape

    form = _type(name, shape, kind)
    plain: dict[Any, Any] = {
        GGMLQuantizationType.F32: np.dtype(np.float32),
        GGMLQuantizationType.F16: np.dtype(np.float16),
    }
    dtype = plain.get(form, np.dtype(np.uint8))
    stored = shape if form in plain else quant_shape_to_byte_shape(shape, form)
    size = int(np.prod(stored)) * dtype.itemsize
    writer.add_tensor_info(name, stored, dtype, size, raw_dtype=None if form in plain else form)


def _rounded(data: Any, name: str, kind: GgufFormat) -> Any:
    from gguf import quantize

    return quantize(data, _type(name, data.shape, kind))


def check_read(model: Any, again: Any, kind: GgufFormat) -> None:
    """Compare the weights and positions that were read from GGUF with those that were written.

    Raises:
        RunError: a tensor came back as another one, or positions as others.
    """
    if not same_positions(model, again):
        message = "The positions of the model came back from GGUF as others."
        raise RunError.one("QUANT010", message, "Choose another method of quantization.")
    read = dict(again.named_parameters())
    for name, weight in model.named_parameters():
        wanted = weight.detach().float()
        norm = float(wanted.norm())
        error = float((read[name].detach().float().to(wanted.device) - wanted).norm()) if name in read else norm
        if error > MOST_ERROR[kind] * norm:
            message = f"The tensor {name} came back from GGUF as another one."
            raise RunError.one("QUANT010", message, "Choose another method of quantization.")
