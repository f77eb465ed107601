"""Mixtures of experts by upcycling: the feed-forward layers of several models, or copies of one, behind a router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.merge.params import DTYPES
from executors.merge.quiet import quiet
from executors.merge.sources import elements
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from executors.merge.params import MergeModelsParams
    from executors.merge.sources import Tensor

FEED_FORWARD = ".mlp."
# As mergekit names the ways a router begins.
GATES = {"random": "random", "uniform-random": "uniform_random", "hidden": "hidden"}


def growth(found: Mapping[str, Tensor], experts: int) -> float:
    """How many times as large as one source a mixture is: only the feed-forward layers are there for each expert."""
    copied = elements({name: tensor for name, tensor in found.items() if FEED_FORWARD in name})
    return 1 + (experts - 1) * copied / max(1, elements(found))


def mix(base: Path, sources: Sequence[Path], params: MergeModelsParams, out: Path) -> str:
    """Write a mixture by mergekit, and tell its architecture [komatsuzaki-2022-sparse-upcycling].

    Everything but the feed-forward layers is the base's.

    Args:
        base: model folder of the attention, the embeddings and the norms.
        sources: a model folder for each expert, or one for all.
        params: how many experts there are, how many read a token, how the router begins.
        out: where to write.

    Raises:
        InputError: there is no mixture of models of this kind.
    """
    import torch

    with quiet():
        from mergekit.moe import ALL_OUTPUT_ARCHITECTURES
        from mergekit.moe.config import MoEMergeConfig
        from mergekit.options import MergeOptions
        from mergekit.scripts.moe import build

        config = MoEMergeConfig.model_validate(recipe(base, sources, params))
        kinds = [kind.name() for kind in ALL_OUTPUT_ARCHITECTURES if kind.supports_config(config)]
        if not kinds or _biased(base):
            message = "There is no mixture of experts of models of this kind."
            raise InputError.one(
                "MERGE022", message, "Mix models of llama's, mistral's or qwen3's kind.", file=str(base)
            )
        torch.manual_seed(params.seed)
        options = MergeOptions(
            out_shard_size=1_000_000_000,
            copy_tokenizer=False,
            write_model_card=False,
            # Copies of one model may not share their memory in a file.
            clone_tensors=len(sources) == 1,
            quiet=True,
        )
        build(config, str(out), options, device="cpu", allow_all_same=True)
    return "Mixtral" if "Mixtral" in kinds else kinds[0]


def recipe(base: Path | str, sources: Sequence[Path | str], params: MergeModelsParams) -> dict[str, Any]:
    """A mixture as mergekit's configuration has it."""
    places = [str(source) for source in sources] * (1 if len(sources) > 1 else params.experts or 1)
    experts: list[dict[str, Any]] = [{"source_model": {"model": {"path": place}}} for place in places]
    # mergekit asks for different requests even of a router that does not begin with them.
    asked = params.requests or [[f"expert {number}"] for number in range(len(experts))]
    for expert, requests in zip(experts, asked, strict=True):
        expert["positive_prompts"] = requests
    return {
        "base_model": {"model": {"path": str(base)}},
        "experts": experts,
        "gate_mode": GATES[params.router or "uniform-random"],
        "experts_per_token": params.experts_per_token,
        "dtype": DTYPES[params.dtype],
    }


def _biased(base: Path) -> bool:
    """Whether projections have biases, which a Mixtral has not and mergekit would leave out without a word."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(base, local_files_only=True)
    return bool(getattr(config, "attention_bias", False) or getattr(config, "mlp_bias", False))
