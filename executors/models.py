"""Loading a model folder: the device, the data type, the weights, the tokenizer and the end tokens."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from executors import bottleneck
from executors.quantized import Quantization, keep_weights, layers_in_bits, loading_options
from executors.rope import stretch, stretched
from executors.varlen import register
from planner.documents import InputError, RunError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Dtype = Literal["bf16", "fp16", "fp32"]
DTYPE_BYTES: dict[Dtype, int] = {"bf16": 2, "fp16": 2, "fp32": 4}


def device_name() -> str:
    """What this process can compute on: `cuda` (ROCm too), `xpu`, `mps` or `cpu`."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if torch.xpu.is_available():
        return "xpu"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def torch_dtype(name: Dtype) -> Any:
    """The torch data type of a parameter's word."""
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[name]


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder, padding on the left, with a pad token.

    Raises:
        InputError: the folder has no tokenizer.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError.one("MODEL002", f"No tokenizer can be read: {_line(error)}.", file=str(folder)) from error
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    folder: Path,
    dtype: Dtype,
    *,
    attention: str = "sdpa",
    device: str | None = None,
    quantization: Quantization = "none",
) -> Any:
    """The causal language model of a folder, in evaluation mode, on `device` or the best that there is.

    Only safetensors and GGUF are read, GGUF dequantized; no code of the folder is run.

    Raises:
        InputError: the folder holds no model that can be read, or lacks weights.
        RunError: the weights arrived in another data type than was asked for.
    """
    file = gguf_file(folder)
    if file is not None and quantization == "none":
        from executors.prepare.gguf import read_gguf

        return read_gguf(file, dtype)[0].to(device or device_name())
    model, missing = read_model(folder, dtype, attention=attention, device=device, quantization=quantization)
    refuse_missing(missing, folder)
    return model


def read_model(
    folder: Path,
    dtype: Dtype,
    kind: str = "AutoModelForCausalLM",
    *,
    attention: str = "sdpa",
    device: str | None = None,
    quantization: Quantization = "none",
    whole: Sequence[str] = (),
    **config: Any,
) -> tuple[Any, set[str]]:
    """A model of safetensors as a class of transformers, in evaluation mode, and the tensors that the folder lacks.

    Args:
        folder: of the model.
        dtype: data type of the weights.
        kind: class of transformers that chooses the architecture by the configuration.
        attention: kernel.
        device: where to; the best that there is when None.
        quantization: what linear layers are rounded to.
        whole: modules that are not rounded, by the last parts of their names; the output head alone when empty.
        config: what is to differ from the folder's configuration.

    Raises:
        InputError: the folder holds no model that can be read.
        RunError: the weights arrived in another data type than was asked for.
    """
    import transformers

    where = device or device_name()
    fewer_bits = loading_options(quantization, dtype, whole)
    rounded = quantized(folder)
    if fewer_bits and (rounded or gguf_file(folder) is not None):
        message = "The weights are quantized already: rounding them again loses twice."
        raise InputError.one("MODEL007", message, "Load them as they are.", file=str(folder))
    if fewer_bits or rounded:
        fewer_bits["device_map"] = {"": where}
    try:
        model, info = getattr(transformers, kind).from_pretrained(
            folder,
            dtype="auto" if rounded == "torchao" else torch_dtype(dtype),
            attn_implementation=register() if attention == "flash" else attention,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **fewer_bits,
            **config,
        )
    except (OSError, ValueError, ImportError) as error:
        raise InputError.one("MODEL001", f"The model cannot be read: {_line(error)}.", file=str(folder)) from error
    missing = {*info["missing_keys"], *(name for name, *_ in info.get("mismatched_keys", ()))}
    found = model.get_input_embeddings().weight.dtype
    if not rounded and found != torch_dtype(dtype):
        raise RunError.one("MODEL004", f"The model was asked for in {dtype} and loaded in {found}.", file=str(folder))
    if not fewer_bits:
        return model.to(where).eval(), missing
    if quantization != "none" and not layers_in_bits(model):
        message = f"The model was asked for in {quantization}, and no layer of it came in fewer bits."
        raise RunError.one("MODEL006", message, file=str(folder))
    keep_weights(model)
    _unpack(model)
    return model.eval(), missing


def refuse_missing(missing: Collection[str], folder: Path) -> None:
    """Refuse a folder that lacks tensors.

    Raises:
        InputError: naming one.
    """
    if missing:
        message = f"The weights lack {len(missing)} tensors, such as {min(missing)}."
        raise InputError.one("MODEL003", message, "Copy the model folder again.", file=str(folder))


def load_adapter(model: Any, folder: Path) -> Any:
    """The model with an adapter on top, peft's or a bottleneck, not merged, in evaluation mode.

    Raises:
        InputError: the adapter does not fit the model.
    """
    from peft import PeftModel

    try:
        if bottleneck.is_bottleneck(folder):
            return bottleneck.load(model, folder)
        stretch(model, stretched(folder))
        added = _new_tokens(folder)
        if added and max(added) >= model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(max(added) + 1, mean_resizing=False)
        with warnings.catch_warnings():
            # peft asks transformers by a name that is on its way out.
            warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)
            return PeftModel.from_pretrained(model, str(folder), is_trainable=False).eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        message = f"The adapter does not fit the model: {_line(error)}."
        raise InputError.one("MODEL005", message, "Name the base that it was trained on.", file=str(folder)) from error


def _unpack(model: Any) -> None:
    """Make matrices of weights of compressed-tensors, as its first pass would: adapters and other kernels need them."""
    compressor = getattr(getattr(model, "hf_quantizer", None), "compressor", None)
    if compressor is not None:
        compressor.decompress_model(model)


def adapter_kind(folder: Path) -> str:
    """What an adapter is, by its configuration: peft's word, such as `LORA`, or ours, such as `bottleneck`."""
    import json

    try:
        found = json.loads((folder / bottleneck.CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(found.get("adapter_type") or found.get("peft_type") or "") if isinstance(found, dict) else ""


def tokenizer_folder(inputs: Mapping[str, Path | str]) -> Path:
    """Where the tokenizer of a step's inputs is: beside the model, or an adapter that has learned tokens."""
    adapter = inputs.get("adapter")
    return Path(adapter if adapter is not None and _new_tokens(Path(adapter)) else inputs["model"])


def _new_tokens(folder: Path) -> list[int]:
    """Tokens whose embeddings an adapter has learned."""
    import json

    file = folder / bottleneck.CONFIG
    found = json.loads(file.read_text(encoding="utf-8")).get("trainable_token_indices") if file.is_file() else None
    lists = found.values() if isinstance(found, dict) else [found or []]
    return [token for tokens in lists for token in tokens]


def virtual_tokens(folder: Path) -> int:
    """How many virtual tokens an adapter puts before each prompt, by its configuration."""
    import json

    file = folder / bottleneck.CONFIG
    return int(json.loads(file.read_text(encoding="utf-8")).get("num_virtual_tokens") or 0) if file.is_file() else 0


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write model, generation config, tokenizer and chat template; the same content gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, safe_serialization=True)
    # A classifier generates nothing.
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write a tokenizer and its chat template; the same content gives the same bytes."""
    # How a tokenizer was found on this machine is no part of it.
    for name in ("local_files_only", "is_local", "name_or_path", "gguf_file"):
        tokenizer.init_kwargs.pop(name, None)
    tokenizer.save_pretrained(folder)


def quantized(folder: Path) -> str:
    """By which library the weights of a folder are stored quantized, by its config; empty where they are not."""
    import json

    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")).get("quantization_config") if path.is_file() else None
    return str(config.get("quant_method") or "unknown") if config else ""


def gguf_file(folder: Path) -> Path | None:
    """The GGUF file of a folder that holds no other weights; None where there is none."""
    if not folder.is_dir() or any(folder.glob("*.safetensors")):
        return None
    return next(iter(sorted(folder.glob("*.gguf"))), None)


def _line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
