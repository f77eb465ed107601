"""Reading a GGUF file into a transformers model whose weights are plain numbers again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.models import load_tokenizer, torch_dtype
from executors.prompt.render import turn_end_id
from planner.documents import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from executors.models import Dtype

# What describes the file that was read, not the model that is written.
OF_THE_FILE = ("quantization_config", "_name_or_path", "_model_name_or_path", "dtype", "transformers_version")


def read_gguf(path: Path, dtype: Dtype) -> tuple[Any, Any]:
    """The model and its tokenizer: the one beside the file, or else the one of the file's metadata.

    Raises:
        InputError: the file is not GGUF, of an architecture that transformers cannot read, or its positions are scaled
            in a way that is not known.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from executors.gguf_positions import read_positions

    source = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name, "local_files_only": True}
    try:
        # transformers mixes the two when both are there, and loses the end token.
        own = (path.parent / "tokenizer.json").is_file()
        tokenizer = load_tokenizer(path.parent) if own else AutoTokenizer.from_pretrained(**source)
        loaded = AutoModelForCausalLM.from_pretrained(**source, dtype=torch_dtype("fp32"))
    except (OSError, ValueError, KeyError, IndexError, NotImplementedError) as error:
        said = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        fix = "Download it again, or name a safetensors folder of the same model."
        raise InputError.one("PREP001", f"The GGUF file cannot be converted: {said}.", fix, file=str(path)) from error
    # transformers refuses to save what it read from GGUF: the same weights go into a model that never was quantized.
    settings = {name: value for name, value in loaded.config.to_dict().items() if name not in OF_THE_FILE}
    positions = read_positions(path, loaded.config)
    if positions is not None:
        settings["rope_parameters"] = positions
    # Made in the data type, not cast to it: a cast rounds the frequencies of positions too.
    model = AutoModelForCausalLM.from_config(type(loaded.config)(**settings), dtype=torch_dtype(dtype))
    model.load_state_dict(loaded.state_dict(), strict=True)
    model.tie_weights()
    model.generation_config = loaded.generation_config
    ends = sorted({turn_end_id(tokenizer), int(tokenizer.eos_token_id)})
    model.generation_config.eos_token_id = ends[0] if len(ends) == 1 else ends
    return model.eval(), tokenizer
