"""The parameters of training; a plan states every one of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from executors.contract import Params

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class TrainParams(Params):
    """How to train: objective, method, optimizer, batches, precision, checkpoints."""

    objective: Literal["sft"]
    method: Literal["lora"]
    rank: Count
    alpha: Annotated[float, Field(gt=0)]
    rank_scaling: Literal["classic", "rslora"]
    """Whether the output is scaled by alpha / rank, or by alpha / sqrt(rank)."""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    targets: Literal["all-linear"] | list[str]
    """`all-linear` (all but the output head), or the last parts of module names, such as `q_proj`."""
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["linear", "cosine", "constant"]
    warmup_ratio: Share
    """Share of the optimizer steps over which the learning rate rises from 0."""
    epochs: Annotated[float, Field(gt=0)]
    micro_batch: Count
    """Rows in one forward pass."""
    accumulation: Count
    """Forward passes in one optimizer step; the effective batch is micro_batch x accumulation."""
    max_length: Annotated[int, Field(ge=2)]
    """Tokens of prompt and answer; longer rows are dropped and counted, since cutting would cut the answer."""
    prompt_loss_weight: Share
    """Weight of the loss on prompt tokens, where that of answer tokens is 1."""
    gradient_checkpointing: bool
    optimizer: Literal["adamw"]
    weight_decay: Annotated[float, Field(ge=0)]
    beta1: Annotated[float, Field(ge=0, lt=1)]
    beta2: Annotated[float, Field(ge=0, lt=1)]
    max_grad_norm: Annotated[float, Field(ge=0)]
    """Gradients are scaled down to this norm; 0 leaves them."""
    precision: Literal["fp32", "bf16", "fp16"]
    """What matrix products are computed in; adapter weights are always fp32."""
    base_dtype: Literal["fp32", "bf16", "fp16"]
    """What the frozen weights are stored in."""
    attention: Literal["sdpa", "eager"]
    distribution: Literal["single"]
    """One device trains; plans for several are refused."""
    packing: Literal[False]
    """Rows never share a sequence."""
    length_grouped: bool
    """Whether rows of like length share a batch, which saves padding."""
    early_stopping_patience: Annotated[int, Field(ge=1)] | None
    """Evaluations without a lower validation loss after which training ends; null trains to the end."""
    evaluations_per_epoch: Annotated[int, Field(ge=0)]
    checkpoint_s: Annotated[float, Field(gt=0)]
    """Longest time between two checkpoints, in seconds."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]

    @model_validator(mode="after")
    def _agree(self) -> TrainParams:
        if self.precision == "fp32" and self.base_dtype != "fp32":
            raise ValueError(f"precision fp32 needs base_dtype fp32, which is {self.base_dtype}")
        if self.early_stopping_patience is not None and self.evaluations_per_epoch == 0:
            raise ValueError("early_stopping_patience needs evaluations_per_epoch of 1 or more")
        return self
