"""Scaled rotary positions as a GGUF file tells them: for llama.cpp in its own words, for transformers in ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from planner.documents import InputError, canonical_json

if TYPE_CHECKING:
    from pathlib import Path

# transformers reads none of llama.cpp's words on scaling, so that its own are kept beside them, under a key of ours.
KEPT = "adapt.rope_parameters"
# Architectures of GGUF whose scaling is written and read here; Llama's bands are told by a tensor that only one loads.
READ, BANDED = ("llama", "qwen2", "qwen3"), "llama"
# What llama.cpp takes for them, whatever the file says.
YARN = {"beta_fast": 32, "beta_slow": 1, "truncate": True}
# What the attention is multiplied with, in the words of a configuration.
SHARPNESS = ("attention_factor", "mscale", "mscale_all_dim")
# Bands of all releases since Llama 3.1 (meta-llama/Llama-3.1-8B, Llama-3.2-1B and 3B, Llama-3.3-70B: config.json).
BANDS = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}


def check_positions(rope: dict[str, Any], architecture: str, folder: Path) -> bool:
    """Whether the positions of a configuration are scaled, in a way that llama.cpp computes too.

    Raises:
        InputError: it computes them otherwise.
    """
    kind = rope.get("rope_type") or rope.get("type") or "default"
    because = f"Rotary scaling `{kind}` is not written as GGUF here"
    fix = "Set scaling to linear or yarn and train again, or serve the model by another server than llama.cpp."
    if kind not in ("default", "linear", "yarn", "llama3"):
        raise InputError.one("QUANT031", f"{because}.", fix, file=str(folder))
    if kind == "llama3" and architecture != BANDED:
        message = f"{because} for {architecture}: llama.cpp reads it in models of the llama architecture."
        raise InputError.one("QUANT031", message, "Serve the model by another server.", file=str(folder))
    others = [name for name, usual in YARN.items() if kind == "yarn" and rope.get(name) not in (None, usual)]
    if others:
        message = f"{because} with another {' and '.join(others)} than llama.cpp's own."
        raise InputError.one("QUANT031", message, "Serve the model by another server.", file=str(folder))
    return kind != "default"


def write_positions(writer: Any, config: Any) -> Any | None:
    """Tell a GGUF writer how positions are scaled, as llama.cpp's conversion does.

    Args:
        writer: of the gguf package.
        config: a configuration of transformers whose positions are scaled and were checked.

    Returns:
        For `llama3` the tensor `rope_freqs`, fp32, one divisor of its frequency for every pair of a head's values.
    """
    from gguf import RopeScalingType
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope = config.rope_parameters
    writer.add_string(KEPT, canonical_json(rope))
    if rope["rope_type"] == "llama3":
        return divisors(config).numpy()
    writer.add_rope_scaling_type(RopeScalingType(rope["rope_type"]))
    window = rope.get("original_max_position_embeddings")
    writer.add_rope_scaling_factor(float(rope["factor"] or config.max_position_embeddings / window))
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_orig_ctx_len(int(window))
        # llama.cpp computes the usual sharpness by itself, and multiplies what the file says.
        usual = type(config).from_dict(config.to_dict())
        usual.rope_parameters = {name: value for name, value in rope.items() if name not in SHARPNESS}
        found, own = (ROPE_INIT_FUNCTIONS["yarn"](each)[1] for each in (config, usual))
        if found != own:
            writer.add_rope_scaling_attn_factors(found / own)
    return None


def divisors(config: Any) -> Any:
    """What each frequency of positions scaled as `llama3` is divided by, fp32, by transformers' own functions."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    plain, _ = LlamaRotaryEmbedding.compute_default_rope_parameters(config)
    return plain / ROPE_INIT_FUNCTIONS["llama3"](config)[0]


def read_positions(path: Path, config: Any) -> dict[str, Any] | None:
    """The scaling that a GGUF file tells, as `rope_parameters` of transformers; None where it tells none.

    Args:
        path: a GGUF file, written here or by llama.cpp's own conversion.
        config: what transformers read of it.

    Raises:
        InputError: positions are scaled in a way that no configuration is known for.
    """
    from gguf import GGUFReader

    reader = GGUFReader(path)
    said = {name: field.contents() for name, field in reader.fields.items() if "tokenizer." not in name}
    if KEPT in said:
        kept: dict[str, Any] = json.loads(said[KEPT])
        return kept
    architecture = said.get("general.architecture")
    if architecture not in READ:
        return None
    scaling = {name.rpartition(".")[2]: value for name, value in said.items() if ".rope.scaling." in name}
    rope = {"rope_theta": config.rope_parameters["rope_theta"]}
    factors = next((tensor.data for tensor in reader.tensors if tensor.name == "rope_freqs.weight"), None)
    if factors is not None:
        return _banded(rope, factors, config, path)
    # A factor without a kind is linear in llama.cpp.
    kind = scaling.get("type", "linear")
    if kind == "none" or scaling.get("factor", 1.0) == 1.0:
        return None
    if kind not in ("linear", "yarn"):
        _refuse(f"scaled as `{kind}`", path)
    rope |= {"rope_type": kind, "factor": scaling["factor"]}
    if kind == "yarn":
        rope["original_max_position_embeddings"] = scaling.get("original_context_length")
        names = {"yarn_attn_factor": "attention_factor", "yarn_beta_fast": "beta_fast", "yarn_beta_slow": "beta_slow"}
        rope |= {name: scaling[word] for word, name in names.items() if word in scaling}
    return {name: value for name, value in rope.items() if value is not None}


def _banded(rope: dict[str, Any], factors: Any, config: Any, path: Path) -> dict[str, Any]:
    """The scaling that such divisors come from: the tensor tells the factor, and must be what the known bands make."""
    import torch

    found = torch.tensor(factors)
    tried = type(config).from_dict(config.to_dict())
    tried.rope_parameters = rope | {"rope_type": "llama3", "factor": float(found.max()), **BANDS}
    wanted = divisors(tried)
    if found.shape != wanted.shape or not torch.allclose(found, wanted, rtol=1e-4):
        _refuse("divided by numbers that are not those of a release of Llama", path)
    return dict(tried.rope_parameters)


def _refuse(how: str, path: Path) -> NoReturn:
    message = f"The positions of the GGUF file are {how}, which is not read here."
    raise InputError.one("PREP006", message, "Name a safetensors folder of the same model.", file=str(path))


def same_positions(one: Any, other: Any) -> bool:
    """Whether two models turn positions at the same frequencies, as sharply."""
    import torch

    pairs = zip(_turning(one), _turning(other), strict=True)
    return all(torch.allclose(a, b.to(a.device), rtol=1e-5) and first == last for (a, first), (b, last) in pairs)


def _turning(model: Any) -> list[tuple[Any, float]]:
    """Frequencies in fp32 and sharpness of every module that makes positions."""
    found = [module for module in model.modules() if hasattr(module, "inv_freq")]
    return [(module.inv_freq.float(), getattr(module, "attention_scaling", 1.0)) for module in found]
