"""Adapters of one base with each other, through peft: their sum is an adapter too, and folds into the base at once."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

from executors.files import remove
from executors.merge.executor import refuse_separate
from executors.merge.sources import in_file
from executors.models import adapter_kind, load_model
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from executors.merge.params import MergeModelsParams

# How peft is told: side by side is exact, and what prunes works on whole differences and is brought to a rank by SVD.
SUMS = frozenset({"concatenation", "linear", "task-arithmetic"})
PRUNING = {"ties": "ties_svd", "dare-linear": "dare_linear_svd", "dare-ties": "dare_ties_svd"}
WEIGHTS = "adapter_model.safetensors"
# Starts of adapters that leave their base as it is.
HARMLESS = ("gaussian", "orthogonal", "eva", "mica")
# What no sum of low-rank products holds, by the adapter's configuration, and what to call it.
BEYOND = {
    "use_dora": "magnitudes of its own (DoRA)",
    "modules_to_save": "whole layers beside its low-rank changes",
    "trainable_token_indices": "tokens of its own",
    "layer_replication": "repeated layers",
    "target_parameters": "changes of fused experts",
    "lora_bias": "biases of its own",
}
NAME = "merged"


def combine(base: Path, sources: Sequence[Path], params: MergeModelsParams, folder: Path) -> int:
    """Write the weighted sum of adapters as an adapter, and tell its rank.

    `concatenation`, `linear` and `task-arithmetic` without a `rank` are exact: the ranks add up. By peft's own `linear`
    the two factors of each adapter are added apart, which mixes the adapters; it is not used.

    Args:
        base: model folder that the adapters were trained on.
        sources: folders of LoRA adapters.
        params: method, weights and what belongs to them.
        folder: where to write.

    Raises:
        InputError: a source is no LoRA of this base, or holds more than low-rank changes.
    """
    for number, source in enumerate(sources):
        _check(f"source-{number}", source)
    import torch

    model = _loaded(base, sources)
    names = [f"source-{number}" for number in range(len(sources))]
    how = PRUNING.get(params.method, "cat" if params.rank is None else "svd")
    ranks = [max([config.r, *config.rank_pattern.values()]) for config in map(model.peft_config.get, names)]
    rank = sum(ranks) if params.rank is None else params.rank
    torch.manual_seed(params.seed)
    more = {} if params.density is None else {"density": params.density}
    try:
        with warnings.catch_warnings():
            # A density of 1 is as good as any.
            warnings.filterwarnings("ignore", message="The density", category=UserWarning)
            model.base_model.add_weighted_adapter(
                names, factors(params), NAME, how, svd_rank=rank, svd_full_matrices=False, **more
            )
    except (ValueError, TypeError) as error:
        message = f"The adapters cannot be added: {str(error).splitlines()[0].rstrip('.')}."
        raise InputError.one("MERGE019", message, "Fold each into its base: set merge_result to model.") from error
    config = model.peft_config[NAME]
    # The sum holds every adapter's own scaling already; peft keeps the first one's rule and would scale it again.
    config.use_rslora, config.inference_mode = False, True
    _fill(model, int(config.r))
    parts = folder.with_name(f"{folder.name}-parts")
    model.save_pretrained(str(parts), selected_adapters=[NAME])
    (parts / NAME).rename(folder)
    remove(parts)
    return int(config.r)


def _fill(model: Any, rank: int) -> None:
    """Bring every layer to one rank with zeros: a layer with fewer rows than the rank has fewer singular values."""
    from torch.nn.functional import pad

    for layer in model.modules():
        if NAME in getattr(layer, "lora_A", {}):
            down, up = layer.lora_A[NAME].weight, layer.lora_B[NAME].weight
            down.data = pad(down.data, (0, 0, 0, rank - down.shape[0]))
            up.data = pad(up.data, (0, rank - up.shape[1]))


def factors(params: MergeModelsParams) -> list[float]:
    """What each adapter's change is multiplied with."""
    weights, scale = params.weights or [], 1.0 if params.scale is None else params.scale
    total = sum(weights) if params.normalize else 1.0
    # peft takes the mean of those changes that have the elected sign: equal weights are ones there.
    shared = len(weights) if params.method in ("ties", "dare-ties") else 1
    return [weight / total * scale * shared for weight in weights]


def _check(name: str, source: Path) -> None:
    refuse_separate(source)
    kind = adapter_kind(source)
    if kind != "LORA":
        message = f"{name} is no LoRA adapter but {kind or 'something else'}, and only LoRA adapters add up."
        raise InputError.one("MERGE018", message, "Fold it into its base: set merge_result to model.", file=str(source))
    in_file(source / WEIGHTS)
    config = json.loads((source / "adapter_config.json").read_text(encoding="utf-8"))
    held = next((told for field, told in BEYOND.items() if config.get(field)), None)
    if isinstance(config.get("init_lora_weights"), str) and config["init_lora_weights"] not in HARMLESS:
        held = f"a base that it changed itself ({config['init_lora_weights']})"
    if config.get("bias", "none") != "none":
        held = BEYOND["lora_bias"]
    if held:
        message = f"{name} holds {held}, which a sum of adapters loses."
        raise InputError.one("MERGE018", message, "Fold it into its base: set merge_result to model.", file=str(source))


def _loaded(base: Path, sources: Sequence[Path]) -> Any:
    """The base with every adapter on it, in fp32: peft makes the sum in the dtype of the base."""
    from peft import PeftModel

    model = load_model(base, "fp32", device="cpu")
    for number, source in enumerate(sources):
        name = f"source-{number}"
        try:
            with warnings.catch_warnings():
                # peft asks transformers by a name that is on its way out.
                warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)
                if number == 0:
                    model = PeftModel.from_pretrained(model, str(source), adapter_name=name)
                else:
                    model.load_adapter(str(source), adapter_name=name)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            message = f"{name} does not fit the base: {str(error).splitlines()[-1].strip().rstrip('.')}."
            raise InputError.one("MERGE018", message, "Merge adapters of one base.", file=str(source)) from error
    return model
