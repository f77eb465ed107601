"""Weights loaded in fewer bits by bitsandbytes, for training on a frozen base and for answering on a small device."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.models import Dtype

Quantization = Literal["none", "int8", "nf4", "fp4"]
# In what the keys and values of answers are kept: the words of the plan's decision `kv_cache`, and 4 bits.
KvCache = Literal["16-bit", "fp8", "int8", "int4"]


def loading_options(kind: Quantization, compute: Dtype, whole: Sequence[str] = ()) -> dict[str, Any]:
    """What `from_pretrained` must be told so that linear layers come in fewer bits.

    Args:
        kind: `nf4` with double quantization [dettmers-2023-qlora], `fp4`, or `int8` [dettmers-2022-llm-int8].
        compute: data type in which products are computed.
        whole: last parts of the names of modules that are not rounded; the output head alone when empty.
    """
    from transformers import BitsAndBytesConfig

    from executors.models import torch_dtype

    if kind == "none":
        return {}
    if kind == "int8":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=[*whole] or None)}
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=kind,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch_dtype(compute),
        llm_int8_skip_modules=[*whole] or None,
    )
    return {"quantization_config": config}


def keep_weights(model: Any) -> None:
    """Keep 4-bit weights as they were loaded.

    bitsandbytes 0.50 repacks them at the first forward in evaluation mode on processors with AVX512-BF16; what is then
    saved, merged or dequantized is garbage, without an error.
    """
    if find_spec("bitsandbytes") is None:
        return  # an environment of another library, which has none of its weights
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def layers_in_bits(model: Any) -> dict[str, int]:
    """How many linear layers came in fewer bits, by the class that holds them."""
    from collections import Counter

    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    kinds = {Linear4bit: "4-bit", Linear8bitLt: "8-bit"}
    return dict(Counter(name for module in model.modules() for kind, name in kinds.items() if isinstance(module, kind)))
