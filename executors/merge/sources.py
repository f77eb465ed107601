"""What the files of a merge's sources say before any weight is read: names, shapes, vocabularies, missing parts."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, NamedTuple

from executors.models import load_tokenizer, quantized
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
# Of these the rows stand for tokens.
OF_TOKENS = ("embed_tokens.weight", "lm_head.weight", "wte.weight", "embed_in.weight", "embed_out.weight")
COPY_AGAIN = "Copy the model folder again."


class Tensor(NamedTuple):
    """One tensor of a folder, as the head of its file tells."""

    file: Path
    shape: tuple[int, ...]


def tensors(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a model folder by name; only the heads of its files are read.

    Raises:
        InputError: a file is missing, cut off or no safetensors, or lacks a tensor that the index promises.
    """
    promised = _promised(folder)
    found: dict[str, Tensor] = {}
    for name in sorted(set(promised.values())) or [WEIGHTS]:
        found |= in_file(folder / name)
    if lost := sorted(set(promised) - set(found)):
        message = f"{promised[lost[0]]} does not hold {lost[0]}, which {INDEX} promises."
        raise InputError.one("MERGE011", message, COPY_AGAIN, file=str(folder))
    return found


def _promised(folder: Path) -> dict[str, str]:
    if not (folder / "config.json").is_file():
        raise InputError.one("MERGE010", "The source is no model folder: config.json is missing.", file=str(folder))
    if not (folder / INDEX).is_file():
        return {}
    names: dict[str, str] = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
    return names


def in_file(path: Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file by name; only its head is read.

    Raises:
        InputError: the file is missing, cut off or no safetensors.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        message = f"The weights lack the file {path.name}."
        raise InputError.one("MERGE011", message, COPY_AGAIN, file=str(path.parent))
    try:
        with safe_open(path, "pt") as file:
            return {name: Tensor(path, tuple(file.get_slice(name).get_shape())) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        message = f"{path.name} is cut off or no safetensors file: {error}."
        raise InputError.one("MERGE012", message, COPY_AGAIN, file=str(path)) from error


def check_sources(folders: Mapping[str, Path], *, same_tokens: bool) -> dict[str, Tensor]:
    """Refuse what cannot be merged tensor by tensor.

    Args:
        folders: name of each source, such as `source-0` or `base`, to its folder; the first is the measure.
        same_tokens: whether rows of embeddings must stand for the same tokens.

    Returns:
        The tensors of the first.

    Raises:
        InputError: a folder cannot be read, is quantized, or differs in a tensor or a token from the first.
    """
    for name, folder in folders.items():
        if (folder / "config.json").is_file() and quantized(folder):
            message = f"{name} is quantized: rounded weights do not add up."
            raise InputError.one("MERGE013", message, "Merge the 16-bit weights, then quantize.", file=str(folder))
    found = {name: tensors(folder) for name, folder in folders.items()}
    (first, measure), *others = found.items()
    for name, other in others:
        if same_tokens:
            _same_tokens(first, folders[first], name, folders[name])
        _same_tensors((first, measure), (name, other), folders[name], same_tokens=same_tokens)
    return measure


def _same_tensors(
    one: tuple[str, Mapping[str, Tensor]], two: tuple[str, Mapping[str, Tensor]], folder: Path, *, same_tokens: bool
) -> None:
    (first, measure), (name, other) = one, two
    for tensor in sorted(set(measure) | set(other)):
        # A head that is tied to the embeddings may be written or left out.
        if tensor == "lm_head.weight" and (tensor not in measure or tensor not in other) and _tied(folder):
            continue
        if not same_tokens and tensor.endswith(OF_TOKENS):
            continue
        shapes = [each[tensor].shape if tensor in each else None for each in (measure, other)]
        if shapes[0] != shapes[1]:
            said = " and ".join(
                f"{_shown(shape)} in {source}" for shape, source in zip(shapes, (first, name), strict=True)
            )
            message = f"The sources are not of one shape: {tensor} is {said}."
            raise InputError.one("MERGE014", message, "Merge finetunes of one base.", file=str(folder))


def _tied(folder: Path) -> bool:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return bool(config.get("tie_word_embeddings", True))


def _shown(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else " x ".join(map(str, shape))


def _same_tokens(first: str, folder: Path, name: str, other_folder: Path) -> None:
    one, other = load_tokenizer(folder).get_vocab(), load_tokenizer(other_folder).get_vocab()
    if one == other:
        return
    token = min(set(one.items()) ^ set(other.items()), key=lambda item: (item[1], item[0]))[0]
    given = zip((first, name), (one, other), strict=True)
    places = [f"{vocabulary.get(token, 'no number')} in {source}" for source, vocabulary in given]
    message = f"The vocabularies differ: the token {token!r} is {' and '.join(places)}."
    raise InputError.one("MERGE015", message, "Merge with the tokenizer `union`.", file=str(other_folder))


def elements(found: Mapping[str, Tensor]) -> int:
    """How many numbers the tensors hold."""
    return sum(math.prod(tensor.shape) for tensor in found.values())


def layers_of(folder: Path) -> int | None:
    """Layers of a model by its configuration; None where it does not say."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config(decoder=True)
    layers: int | None = getattr(config, "num_hidden_layers", None)
    return layers


def first_not_finite(folder: Path) -> str | None:
    """The first tensor of a folder that holds an infinity or no number; one tensor is in memory at a time."""
    from safetensors import safe_open

    files: dict[Path, list[str]] = {}
    for name, tensor in tensors(folder).items():
        files.setdefault(tensor.file, []).append(name)
    for path, names in files.items():
        with safe_open(path, "pt") as file:
            for name in names:
                values = file.get_tensor(name)
                # What is no number is the largest and the smallest; a tenth of the time of asking each.
                if values.numel() and not all(bool(end.isfinite()) for end in values.aminmax()):
                    return name
    return None
