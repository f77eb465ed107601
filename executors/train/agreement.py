"""What of the parameters of a training does not go together, each in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.train.belonging import ALL_OWN, DOUBTING, LEARNING, OWN, SINGLE_ANSWERS, STARTS, SUBTRACTED, WHOLE
from executors.train.spreading import SPREAD, refusals

if TYPE_CHECKING:
    from executors.train.params import TrainParams


def disagreements(params: TrainParams) -> list[tuple[bool, str]]:
    """Whether something does not go together, and the sentence that says so; what is wrong at the root comes first."""
    method, own = params.method, (*OWN[params.method], *LEARNING[params.objective], *SPREAD[params.distribution])
    foreign = [name for name in ALL_OWN if name not in own and getattr(params, name) is not None]
    missing = [name for name in own if getattr(params, name) is None]
    start, changed = params.initialisation, params.initialisation in SUBTRACTED
    return [
        (bool(foreign), f"{params.objective} by {method} has no {', '.join(foreign)}"),
        (bool(missing), f"{params.objective} by {method} needs {', '.join(missing)}"),
        (
            start is not None and start not in STARTS.get(method, ()),
            f"method {method} cannot start from {start}, only from {' or '.join(STARTS.get(method, ()))}",
        ),
        (
            changed and params.base_dtype != "fp32",
            f"initialisation {start} changes the frozen weights, which needs base_dtype fp32 to be exact",
        ),
        (
            start == "orthogonal" and (params.rank or 0) % 2 == 1,
            f"initialisation orthogonal shares a rank between both sides, and {params.rank} is odd",
        ),
        (
            (method == "galore") != (params.optimizer == "galore-adamw"),
            f"method {method} does not go with optimizer {params.optimizer}: galore and galore-adamw need each other",
        ),
        (
            method == "relora" and params.distribution not in WHOLE,
            f"relora folds adapters into whole weights, which {params.distribution} has not: use single or ddp",
        ),
        (
            method == "qat" and params.distribution not in WHOLE,
            f"qat rounds whole weights, which {params.distribution} has not: use single or ddp",
        ),
        (
            method == "galore" and params.base_dtype == "fp16",
            "galore trains the weights in base_dtype, in which fp16 would overflow: use bf16 or fp32",
        ),
        (
            params.objective == "classification-head" and (method == "longlora" or "virtual_tokens" in own),
            f"method {method} leaves no head: train labels by lora, full or partial",
        ),
        (
            params.objective == "classification-head" and params.packing,
            "a head reads one row a sequence: set packing to false",
        ),
        (
            method == "prefix-tuning" and params.gradient_checkpointing,
            "prefix-tuning cannot recompute activations: set gradient_checkpointing to false",
        ),
        (
            params.attention == "flash" and "virtual_tokens" in own,
            f"attention flash reads rows in one line, and {method} begins each with virtual tokens: take sdpa",
        ),
        (
            params.attention == "flash" and params.objective in ("preference", "classification-head"),
            f"objective {params.objective} reads rows side by side: set attention to sdpa",
        ),
        (
            params.attention == "flash" and params.precision == "fp32",
            "attention flash computes in 16 bits: set precision to bf16, or attention to sdpa",
        ),
        (
            params.packing and "virtual_tokens" in own,
            f"{method} puts virtual tokens before a sequence, not before each row in it: set packing to false",
        ),
        *_of_sharing(params),
        (
            (params.rate_ratio or 1.0) > 1 and params.optimizer == "paged-adamw-8bit",
            "a rate_ratio above 1 goes with optimizer adamw or adamw-8bit",
        ),
        *_of_preference(params),
        *refusals(params),
        *_of_compiling(params),
        (
            params.precision == "fp32" and params.base_dtype != "fp32",
            f"precision fp32 needs base_dtype fp32, which is {params.base_dtype}",
        ),
        (
            params.early_stopping_patience is not None and params.evaluations_per_epoch == 0,
            "early_stopping_patience needs evaluations_per_epoch of 1 or more",
        ),
    ]


def _of_sharing(params: TrainParams) -> list[tuple[bool, str]]:
    shares, fix = bool(params.share_prefix), "set share_prefix to false"
    return [
        (shares and params.packing, f"packed rows stand behind each other whole: {fix}"),
        (shares and params.attention == "flash", f"attention flash reads whole rows: {fix}, or attention to sdpa"),
        (
            shares and "virtual_tokens" in OWN[params.method],
            f"{params.method} begins each row with virtual tokens, which rows in one sequence would not have: {fix}",
        ),
    ]


def _of_compiling(params: TrainParams) -> list[tuple[bool, str]]:
    tries, fix = params.compile == "trial", "set compile to off"
    return [
        (
            tries and params.distribution != "single",
            f"a trial of compile times one process, and {params.distribution} lets several wait for each other: {fix}",
        ),
        (
            tries and params.gradient_checkpointing,
            f"layers that are recomputed are not compiled, and dropout would draw anew in them: {fix}",
        ),
    ]


def _of_preference(params: TrainParams) -> list[tuple[bool, str]]:
    loss, smoothing = params.preference_loss, params.label_smoothing or 0.0
    weights = {params.desirable_weight, params.undesirable_weight} - {None, 1.0}
    preference = params.objective == "preference"
    return [
        (
            bool(smoothing) and loss not in DOUBTING,
            f"preference_loss {loss} takes no label as wrong: set label_smoothing to 0, or take robust",
        ),
        (loss == "exo_pair" and not smoothing, "preference_loss exo_pair needs a label_smoothing above 0"),
        (
            bool(weights) and loss not in SINGLE_ANSWERS,
            f"preference_loss {loss} sees both answers at once: set desirable_weight and undesirable_weight to 1",
        ),
        (
            preference and params.prompt_loss_weight != 0,
            "comparisons are learned from answers alone: set prompt_loss_weight to 0",
        ),
        (preference and params.packing, "comparisons are read side by side: set packing to false"),
    ]
